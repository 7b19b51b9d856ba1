"""Flows and commands that change the registry by hand: `python -m flows.registry log | rollback | promote`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow
from prefect.logging import get_run_logger

from flows.registry.alias import Registry
from flows.registry.log import Entry, read_log, version_text
from flows.registry.models import PROMOTED, REASON
from flows.registry.promotion import current_actor, promote_by_hand, roll_back
from flows.registry.settings import LogSettings, PromoteSettings, RollbackSettings
from flows.tracking.locations import TrackingError
from flows.tracking.store import check_tracking, store_exists, tracking_uri

NEWEST = 5  # versions that were kept back and are shown


@flow(name="promote", flow_run_name="promote {settings.dataset}")
def promote(settings: PromoteSettings) -> int | None:
    """Make a version champion by hand, and write it into the promotion log. Returns the champion's version."""
    registry = open_registry(settings.model_name)
    entry = promote_by_hand(registry, settings.version, current_actor(), settings.reason, settings.force)
    get_run_logger().info(change_sentence(entry))
    return entry.after


@flow(name="rollback", flow_run_name="rollback {settings.dataset}")
def rollback(settings: RollbackSettings = RollbackSettings()) -> int | None:  # noqa: B008 (frozen, and Prefect shows it)
    """Restore the previous champion, and write it into the promotion log. Returns the champion's version."""
    entry = roll_back(open_registry(settings.model_name), current_actor(), settings.reason)
    get_run_logger().info(change_sentence(entry))
    return entry.after


def open_registry(name: str) -> Registry:
    """The registered model in the present MLflow store.

    Raises:
        TrackingError: there is no store, or the server does not answer.
    """
    uri = tracking_uri()
    if not store_exists(uri):
        raise TrackingError("there is no MLflow store", got=uri, do="run the command in the folder of your retrainings")
    check_tracking()
    return Registry(uri, name)


def execute(settings: LogSettings, registry: Registry) -> list[str]:
    """Run the command of these settings. Returns the lines to print."""
    match settings:
        case PromoteSettings():
            done = promote_by_hand(registry, settings.version, current_actor(), settings.reason, settings.force)
            return [change_sentence(done), *kept_back(registry)]
        case RollbackSettings():
            return [change_sentence(roll_back(registry, current_actor(), settings.reason)), *kept_back(registry)]
        case _:
            first, *entries = log_lines(read_log(registry.client, registry.name), registry.champion())
            return [first, *kept_back(registry), *entries]


def change_sentence(entry: Entry) -> str:
    """The change of the champion as a sentence."""
    return f"Version {version_text(entry.after)} is the champion; it was version {version_text(entry.before)}."


def kept_back(registry: Registry) -> list[str]:
    """Why the newest versions after the champion were kept back, the newest first; why its data are not newer."""
    champion = registry.champion() or 0
    found = registry.client.search_model_versions(f"name = '{registry.name}'")
    versions = sorted((version for version in found if int(version.version) > champion), key=lambda v: -int(v.version))
    waiting = [version for version in versions if version.tags.get(PROMOTED) == "false"]
    lines = []
    for version in waiting[:NEWEST]:
        when = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
        reason = version.tags[REASON].removeprefix("kept back: ")
        lines.append(f"Version {version.version} of {when:%Y-%m-%d %H:%M} UTC was kept back: {reason}.")
    if len(waiting) > NEWEST:
        lines.append(f"{len(waiting) - NEWEST} more were kept back since; MLflow's pages of the versions say why.")
    return lines


def log_lines(entries: Sequence[Entry], champion: int | None) -> list[str]:
    """The log as lines, the newest entry first."""
    lines = [f"Champion: {'none' if champion is None else f'version {champion}'}. Changes: {len(entries)}."]
    for entry in reversed(entries):
        state = "" if entry.state == "done" else f", {entry.state}"
        move = f"version {version_text(entry.before)} -> {version_text(entry.after)}"
        lines += [
            "",
            f"{entry.number}. {entry.when:%Y-%m-%d %H:%M:%S} UTC, {entry.what}{state}, {move}, by {entry.who}",
        ]
        lines += [f"   {entry.reason}"]
        if entry.figures:
            lines += ["   " + ", ".join(f"{name} {value:.4g}" for name, value in entry.figures.items())]
        lines += [f"   MLflow run {entry.run_id}"] if entry.run_id else []
    return lines
