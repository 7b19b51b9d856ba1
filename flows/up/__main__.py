"""The command line: `python -m flows.up up --help`."""

import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import CliApp, CliSubCommand, SettingsError, get_subcommand
from rich.console import Console

from flows.up.commands import down, logs, status, up
from flows.up.settings import DownSettings, FolderSettings, LogsSettings, StatusSettings, UpSettings
from ncf.config import Settings
from ncf.errors import ConfigError, NCFError

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class Command(Settings):
    """An MLflow server, a Prefect server and a worker on this machine."""

    up: CliSubCommand[UpSettings]
    status: CliSubCommand[StatusSettings]
    down: CliSubCommand[DownSettings]
    logs: CliSubCommand[LogsSettings]


def main(args: Sequence[str]) -> int:
    """Do what the command says. Returns the exit code."""
    try:
        settings = parse(args)
    except NCFError as error:
        return _fail(str(error), EXIT_USAGE)
    try:
        return run(settings, Console())
    except NCFError as error:
        return _fail(str(error), EXIT_FAILED)
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror}", EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from there", EXIT_INTERRUPTED)


def parse(args: Sequence[str]) -> FolderSettings:
    """The subcommand's settings; --help prints them and exits.

    Raises:
        ConfigError: there is no subcommand, or an option is unknown or impossible.
    """
    try:
        given = CliApp.run(Command, cli_args=list(args), cli_exit_on_error=False)
        command = get_subcommand(given, is_required=False, cli_exit_on_error=False)
    except ValidationError as error:
        lines = [_line(problem["loc"], problem["input"], problem["msg"]) for problem in error.errors()]
        raise ConfigError("; ".join(lines), do="see --help") from error
    except SettingsError as error:
        raise ConfigError(str(error).removeprefix("error parsing CLI: "), do="see --help") from error
    if not isinstance(command, FolderSettings):
        raise ConfigError("nothing to do", allowed="up, status, down or logs", do="see --help")
    return command


def run(settings: FolderSettings, console: Console) -> int:
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


def _line(location: tuple[int | str, ...], value: object, message: str) -> str:
    named = [str(part).replace("_", "-") for part in location[1:]]
    return f"--{'.'.join(named)}: got {value!r}; {message}" if named else message


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"error: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
