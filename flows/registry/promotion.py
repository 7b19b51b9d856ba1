"""Moving the alias champion: one step that either happened or did not, under a lock, and written into the log.

Light on purpose: nothing here imports torch, so that a rollback takes seconds.
"""

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from prefect.runtime import deployment, flow_run

from flows.orchestration.events import PROMOTED, emit, version_resource
from flows.registry.alias import CHAMPION, Registry, locked, why_incomplete
from flows.registry.log import Entry, What, champions, new_number, now, page, read_log, version_text, write_entry
from flows.tracking.store import TrackingError
from ncf.errors import ModelError

FIGURES = "ncf.figures"  # a version's tag: the decision's figures, as JSON


class ChampionMovedError(TrackingError):
    """Another version has become champion since the comparison."""


@dataclass(frozen=True)
class Change:
    """A change of the champion that somebody wants.

    Attributes:
        after: the version that is to be champion.
        what, who, reason, figures: as in the log.
    """

    after: int
    what: What
    who: str
    reason: str
    figures: Mapping[str, float]


def somebody() -> str:
    """Who runs this process: the flow run and its deployment, where there are any, and user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        user = f"uid {os.getuid()}"
    who = f"{user}@{socket.gethostname()}"
    if flow_run.id is None:
        return who
    if deployment.id is None:
        return f"{who}, flow run {flow_run.name}"
    return f"{flow_run.flow_name}/{deployment.name}, flow run {flow_run.name}, {who}"


def promote(registry: Registry, change: Change, compared: int | None) -> Entry:
    """Make a version champion, if the champion is still the one that it was compared with.

    Raises:
        ChampionMovedError: it is another one by now; nothing was changed.
        ModelError: the version is not complete.
        LockError: see `locked`.
    """
    with locked(registry):
        entries = reconcile(registry)
        present = registry.champion()
        if present != compared:
            raise ChampionMovedError(f"the champion of {registry.name} is no longer version {compared}", got=present)
        return _move(registry, entries, change)


def reconcile(registry: Registry) -> list[Entry]:
    """Bring the log in line with the alias, after a crash or a change in MLflow itself; under the lock.

    A pending entry is done if the alias points where it should, else it was interrupted. An alias that points elsewhere
    than the log's last word gets an entry of its own.
    """
    entries = read_log(registry.client, registry.name)
    present = registry.champion()
    for place, entry in enumerate(entries):
        if entry.state == "pending":
            arrived = entry is entries[-1] and entry.after == present
            entries[place] = entry.model_copy(update={"state": "done" if arrived else "interrupted"})
            write_entry(registry.client, registry.name, entries[place])
            if arrived:
                announce(registry, entries[place])
    last = next((entry.after for entry in reversed(entries) if entry.state == "done"), None)
    if last != present:
        reason = "the alias was moved in MLflow itself" if entries else "the log begins; this was the champion"
        outside = Entry(
            **{"number": new_number(entries), "when": now(), "who": "unknown", "what": "outside", "state": "done"},
            **{"before": last, "after": present, "reason": reason},
        )
        write_entry(registry.client, registry.name, outside)
        entries.append(outside)
    return entries


def _move(registry: Registry, entries: list[Entry], change: Change) -> Entry:
    """Pending entry, alias, entry done, page: a kill between any two leaves what `reconcile` can finish."""
    version = registry.version(change.after)
    fault = why_incomplete(registry.client, registry.uri, version)
    if fault:
        raise ModelError(
            f"version {change.after} of {registry.name} can't serve", got=fault, do="choose another, or retrain"
        )
    run = registry.client.get_run(str(version.run_id))
    entry = Entry(
        number=new_number(entries),
        when=now(),
        before=registry.champion(),
        **vars(change),
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
    )
    write_entry(registry.client, registry.name, entry)
    registry.client.set_registered_model_alias(registry.name, CHAMPION, str(change.after))
    done = entry.model_copy(update={"state": "done"})
    write_entry(registry.client, registry.name, done)
    show_on_page(registry, [*entries, done])
    announce(registry, done)
    return done


def announce(registry: Registry, entry: Entry) -> None:
    """Tell the Prefect server of a new champion, for the automations that wait for one."""
    assert entry.after is not None
    text = (
        f"{registry.name}: version {entry.after} is the champion ({entry.what}; before: {version_text(entry.before)}). "
        f"{entry.reason}"
    )
    emit(
        PROMOTED,
        registry.name.removeprefix("ncf-"),
        related={"model-version": version_resource(registry.name, entry.after)},
        payload={**entry.model_dump(mode="json"), "text": text},
    )


def show_on_page(registry: Registry, entries: list[Entry]) -> None:
    """Write the newest entries into the registered model's description, below what somebody wrote there."""
    present = registry.client.get_registered_model(registry.name).description or ""
    wanted = page(present, entries)
    if wanted != present:
        registry.client.update_registered_model(registry.name, wanted)


def rollback(registry: Registry, who: str, reason: str = "") -> Entry:
    """Put the champion before the present one back; done twice, it goes further back.

    Versions that are gone or have no weights any more are passed over.

    Raises:
        ModelError: there is no earlier champion that could serve.
        LockError: see `locked`.
    """
    with locked(registry):
        entries = reconcile(registry)
        target = previous_champion(registry, entries)
        if target is None:
            present = version_text(registry.champion())
            raise ModelError(
                f"{registry.name} has no earlier champion to go back to than the present one, version {present}",
                do="see python -m flows.registry log, or promote a version by hand",
            )
        words = reason or "rolled back by hand"
        return _move(registry, entries, Change(target, "rolled back", who, words, {}))


def previous_champion(registry: Registry, entries: list[Entry]) -> int | None:
    """Where a rollback would go."""
    present = registry.champion()
    for number in reversed(champions(entries)):
        if number == present:
            continue
        try:
            version = registry.version(number)
        except ModelError:
            continue
        if not why_incomplete(registry.client, registry.uri, version):
            return number
    return None


def promote_by_hand(registry: Registry, number: int, who: str, reason: str, force: bool = False) -> Entry:
    """Make a version champion without a comparison.

    Args:
        registry: the registered model.
        number: the version.
        who: wants it.
        reason: why; for the log.
        force: even if the figures kept with it say that it is below popularity, or there are none.

    Raises:
        ModelError: there is no such version, it has no weights, it is below popularity and not forced, or it is the
            champion already.
        LockError: see `locked`.
    """
    with locked(registry):
        entries = reconcile(registry)
        if number == registry.champion():
            raise ModelError(f"this version of {registry.name} is the champion already", got=number)
        figures = _figures(registry.version(number))
        doubt = _doubt(figures)
        if doubt and not force:
            raise ModelError(
                f"version {number} of {registry.name} is not promoted: {doubt}", do="choose another, or insist: --force"
            )
        return _move(registry, entries, Change(number, "forced" if doubt else "by hand", who, reason, figures))


def _figures(version: ModelVersion) -> dict[str, float]:
    return dict(json.loads(version.tags.get(FIGURES, "{}")))


def _doubt(figures: Mapping[str, float]) -> str:
    """Why a version should not become champion by hand, or nothing."""
    if not {"challenger", "popularity"} <= figures.keys():
        return "it was never compared with popularity"
    if figures["challenger"] <= figures["popularity"]:
        return f"NDCG@10 {figures['challenger']:.4f} is not above popularity's {figures['popularity']:.4f}"
    return ""
