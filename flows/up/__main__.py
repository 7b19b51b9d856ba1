"""The command line: `python -m flows.up up --help`."""

import sys
from collections.abc import Sequence

from pydantic_settings import CliSubCommand
from rich.console import Console

from flows.cli.subcommands import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, fail, parse
from flows.up.commands import down, logs, status, up
from flows.up.settings import DownSettings, LogsSettings, StatusSettings, UpSettings
from ncf.config import Settings
from ncf.errors import NCFError


class Command(Settings):
    """An MLflow server, a Prefect server and a worker on this machine."""

    up: CliSubCommand[UpSettings]
    status: CliSubCommand[StatusSettings]
    down: CliSubCommand[DownSettings]
    logs: CliSubCommand[LogsSettings]


def main(args: Sequence[str]) -> int:
    """Do what the command says. Returns the exit code."""
    try:
        settings = parse(Command, args)
    except NCFError as error:
        return fail(str(error), EXIT_USAGE)
    try:
        return run(settings, Console())
    except NCFError as error:
        return fail(str(error), EXIT_FAILED)
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror}", EXIT_FAILED)
    except KeyboardInterrupt:
        return fail("interrupted; the same command goes on from there", EXIT_INTERRUPTED)


def run(settings: Settings, console: Console) -> int:
    """Do what the settings are for. Returns the exit code."""
    match settings:
        case UpSettings():
            up(settings, console)
        case DownSettings():
            down(settings, console)
        case LogsSettings():
            logs(settings, console)
        case StatusSettings():
            return 0 if status(settings, console) else EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
