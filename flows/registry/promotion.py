"""Move the alias champion as one atomic step, under a lock, and log it.

Nothing here imports torch, so that a rollback takes seconds.
"""

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from prefect.runtime import deployment, flow_run

from flows.cli.next_command import command_line
from flows.orchestration.tasks import PROMOTED, emit, version_resource
from flows.prepare.settings import dataset_of
from flows.registry.alias import CHAMPION, Registry, locked, why_incomplete
from flows.registry.log import Entry, What, champions, describe, new_number, now, read_log, version_text, write_entry
from flows.tracking.locations import TrackingError
from ncf.errors import ModelError

FIGURES = "ncf.figures"  # a version's tag: the decision's figures, as JSON


class ChampionMovedError(TrackingError):
    """Another version has become champion since the comparison."""


@dataclass(frozen=True)
class Change:
    """A requested change of the champion.

    Attributes:
        after: the new champion's version.
        what, who, reason, figures: as in the log.
    """

    after: int
    what: What
    who: str
    reason: str
    figures: Mapping[str, float]


def current_actor() -> str:
    """User and host of this process, with its flow run and deployment if it has them."""
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
    """Make a version champion if the champion is still the one that it was compared with.

    Raises:
        ChampionMovedError: there is another champion now; nothing was changed.
        ModelError: the version is incomplete.
        LockError: see `locked`.
    """
    with locked(registry):
        entries = reconcile(registry)
        present = registry.champion()
        if present != compared:
            raise ChampionMovedError(f"the champion of {registry.name} is no longer version {compared}", got=present)
        return _move(registry, entries, change)


def reconcile(registry: Registry) -> list[Entry]:
    """Reconcile the log with the alias after a crash or a change in MLflow's UI. Call it with the lock.

    A pending entry is done if the alias points to its version, else it was interrupted. If the alias differs from the
    last entry, the change gets an entry of its own.
    """
    entries = read_log(registry.client, registry.name)
    present = registry.champion()
    for index, entry in enumerate(entries):
        if entry.state == "pending":
            arrived = entry is entries[-1] and entry.after == present
            entries[index] = entry.model_copy(update={"state": "done" if arrived else "interrupted"})
            write_entry(registry.client, registry.name, entries[index])
            if arrived:
                announce(registry, entries[index])
    last = next((entry.after for entry in reversed(entries) if entry.state == "done"), None)
    if last != present:
        reason = "the alias was moved in MLflow itself" if entries else "the log starts with this champion"
        outside = Entry(
            **{"number": new_number(entries), "when": now(), "who": "unknown", "what": "outside", "state": "done"},
            **{"before": last, "after": present, "reason": reason},
        )
        write_entry(registry.client, registry.name, outside)
        entries.append(outside)
    return entries


def _move(registry: Registry, entries: list[Entry], change: Change) -> Entry:
    """Pending entry, alias, done entry, description: `reconcile` finishes it after a kill at any point."""
    version = registry.version(change.after)
    fault = why_incomplete(registry.client, registry.uri, version)
    if fault:
        raise ModelError(
            f"version {change.after} of {registry.name} can't serve", got=fault, do="choose another version, or retrain"
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
    update_description(registry, [*entries, done])
    announce(registry, done)
    return done


def announce(registry: Registry, entry: Entry) -> None:
    """Emit the event of a new champion, which automations wait for."""
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


def update_description(registry: Registry, entries: list[Entry]) -> None:
    """Write the newest entries into the registered model's description, below the text that is there."""
    present = registry.client.get_registered_model(registry.name).description or ""
    updated = describe(present, entries, registry.name)
    if updated != present:
        registry.client.update_registered_model(registry.name, updated)


def roll_back(registry: Registry, who: str, reason: str = "") -> Entry:
    """Restore the previous champion; a second rollback goes further back.

    Versions that are missing or have no weights are skipped.

    Raises:
        ModelError: no earlier champion can serve.
        LockError: see `locked`.
    """
    with locked(registry):
        entries = reconcile(registry)
        target = previous_champion(registry, entries)
        if target is None:
            present = version_text(registry.champion())
            log = command_line("registry log", "--dataset", dataset_of(registry.name))
            raise ModelError(
                f"{registry.name} has no earlier champion than version {present}",
                do=f"see {log}, or promote a version by hand",
            )
        words = reason or "rolled back by hand"
        return _move(registry, entries, Change(target, "rolled back", who, words, {}))


def previous_champion(registry: Registry, entries: list[Entry]) -> int | None:
    """The version that a rollback would restore, or None."""
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
        who: for the log.
        reason: for the log.
        force: promote even a version that is not better than popularity, or was never compared.

    Raises:
        ModelError: the version is missing, has no weights, is already the champion, or is not better than popularity
            and not forced.
        LockError: see `locked`.
    """
    with locked(registry):
        entries = reconcile(registry)
        if number == registry.champion():
            raise ModelError(f"this version of {registry.name} is already the champion", got=number)
        figures = _figures(registry.version(number))
        objection = _objection(figures)
        if objection and not force:
            raise ModelError(
                f"version {number} of {registry.name} is not promoted: {objection}",
                do="choose another version, or use --force",
            )
        return _move(registry, entries, Change(number, "forced" if objection else "by hand", who, reason, figures))


def _figures(version: ModelVersion) -> dict[str, float]:
    return dict(json.loads(version.tags.get(FIGURES, "{}")))


def _objection(figures: Mapping[str, float]) -> str:
    """Why a version should not become champion by hand; empty if nothing speaks against it."""
    if not {"challenger", "popularity"} <= figures.keys():
        return "it was never compared with popularity"
    if figures["challenger"] <= figures["popularity"]:
        return f"NDCG@10 {figures['challenger']:.4f} is not above popularity's {figures['popularity']:.4f}"
    return ""
