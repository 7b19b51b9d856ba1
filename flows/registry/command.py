"""`python -m flows.registry log | rollback | promote`: what is done with the registry by hand."""

import sys
from collections.abc import Sequence

from mlflow.exceptions import MlflowException
from pydantic_settings import CliSubCommand

from flows.cli.subcommands import EXIT_FAILED, EXIT_USAGE, fail, parse
from flows.registry.alias import Registry
from flows.registry.log import Entry, read_log, version_text
from flows.registry.promotion import promote_by_hand, rollback, somebody
from flows.registry.settings import LogSettings, PromoteSettings, RollbackSettings
from flows.tracking.store import TrackingError, check_tracking, store_exists, tracking_uri
from ncf.config import Settings
from ncf.errors import NCFError


class RegistrySettings(Settings):
    """The model registry: its log, and changes by hand."""

    log: CliSubCommand[LogSettings]
    rollback: CliSubCommand[RollbackSettings]
    promote: CliSubCommand[PromoteSettings]


def main(args: Sequence[str]) -> int:
    """Run the command and print what it did. Returns the exit code."""
    try:
        settings = parse(RegistrySettings, args)
        assert isinstance(settings, LogSettings)  # the others are further ones of it
    except NCFError as error:
        return fail(str(error), EXIT_USAGE)
    try:
        for line in run(settings, open_registry(settings.model_name)):
            sys.stdout.write(f"{line}\n")
    except NCFError as error:
        return fail(str(error), EXIT_FAILED)
    except MlflowException as error:
        return fail(f"MLflow failed: {error.message[:500]}; the same command goes on once it works again", EXIT_FAILED)
    return 0


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
