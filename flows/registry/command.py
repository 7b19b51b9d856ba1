"""`python -m flows.registry log | rollback | promote`: what is done with the registry by hand."""

from collections.abc import Sequence

from flows.registry.alias import Registry
from flows.registry.log import Entry, read_log, version_text
from flows.registry.promotion import promote_by_hand, rollback, somebody
from flows.registry.settings import LogSettings, PromoteSettings, RollbackSettings
from flows.tracking.store import TrackingError, check_tracking, store_exists, tracking_uri


def open_registry(name: str) -> Registry:
    """The registered model, where MLflow is.

    Raises:
        TrackingError: there is no store, or the server does not answer.
    """
    uri = tracking_uri()
    if not store_exists(uri):
        raise TrackingError("there is no MLflow store", got=uri, do="run in the folder of your retrainings")
    check_tracking()
    return Registry(uri, name)


def run(settings: LogSettings, registry: Registry) -> list[str]:
    """Do what the settings are for. Returns the lines to print."""
    match settings:
        case PromoteSettings():
            return [told(promote_by_hand(registry, settings.version, somebody(), settings.reason, settings.force))]
        case RollbackSettings():
            return [told(rollback(registry, somebody(), settings.reason))]
        case _:
            return described(read_log(registry.client, registry.name), registry.champion())


def told(entry: Entry) -> str:
    """What was done, in a sentence."""
    return f"Version {version_text(entry.after)} is the champion; it was version {version_text(entry.before)}."


def described(entries: Sequence[Entry], champion: int | None) -> list[str]:
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
