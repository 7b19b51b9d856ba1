"""Commands with subcommands, each with settings of its own; without MLflow, so that they answer at once."""

import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError, get_subcommand

from ncf.config import Settings
from ncf.errors import ConfigError

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def parse(command: type[Settings], args: Sequence[str]) -> Settings:
    """The subcommand's settings; --help prints them and exits.

    Args:
        command: a CliSubCommand of settings for each subcommand.
        args: the command line.

    Raises:
        ConfigError: there is no subcommand, or an option is unknown, missing or impossible.
    """
    try:
        given = CliApp.run(command, cli_args=list(args), cli_exit_on_error=False)
        chosen = get_subcommand(given, is_required=False, cli_exit_on_error=False)
    except ValidationError as error:
        lines = [_line(problem["loc"], problem["input"], problem["msg"]) for problem in error.errors()]
        raise ConfigError("; ".join(lines), do="see --help") from error
    except SettingsError as error:
        raise ConfigError(str(error).removeprefix("error parsing CLI: "), do="see --help") from error
    if not isinstance(chosen, Settings):
        raise ConfigError("nothing to do", allowed=", ".join(command.model_fields), do="see --help")
    return chosen


def fail(message: str, code: int) -> int:
    """Print an error and return the exit code."""
    sys.stderr.write(f"error: {message}\n")
    return code


def _line(location: tuple[int | str, ...], value: object, message: str) -> str:
    named = [str(part).replace("_", "-") for part in location[1:]]
    return f"--{'.'.join(named)}: got {value!r}; {message}" if named else message
