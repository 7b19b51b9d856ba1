"""The servers and a worker on one machine: `python -m flows.up up --help`."""

import sys

from pydantic_settings import CliSubCommand
from rich.console import Console

from flows.cli.command import EXIT_FAILED, Subcommands, run_command
from flows.up.settings import DownSettings, FolderSettings, LogsSettings, StatusSettings, UpSettings


class Command(Subcommands):
    """An MLflow server, a Prefect server and a worker on this machine."""

    up: CliSubCommand[UpSettings]
    status: CliSubCommand[StatusSettings]
    down: CliSubCommand[DownSettings]
    logs: CliSubCommand[LogsSettings]


def run(settings: FolderSettings) -> int:
    """Run the subcommand. Returns the exit code. Imported late, so that --help and a refused option need not wait."""
    from flows.up.commands import down, logs, status, up

    console = Console(highlight=False, soft_wrap=True)
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
    sys.exit(run_command(Command, run))
