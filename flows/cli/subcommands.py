"""Commands with subcommands, each with settings of its own; without MLflow, so that they answer at once."""

import sys
from collections.abc import Sequence
from itertools import pairwise

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
        wrong = wrong_switch(error, args) or str(error).removeprefix("error parsing CLI: ")
        raise ConfigError(wrong, do="see --help") from error
    if not isinstance(chosen, Settings):
        raise ConfigError("nothing to do", allowed=", ".join(command.model_fields), do="see --help")
    return chosen


def wrong_switch(error: SettingsError, args: Sequence[str]) -> str:
    """What to say instead of a switch with a value, which is an easy guess; empty if something else is wrong."""
    message = str(error)
    apart = [pair for pair in pairwise(args) if pair[1] in message.split() and pair[0] not in message.split()]
    joined = [(word.partition("=")[0], word.partition("=")[2]) for word in args if word.startswith("--")]
    ignored = [(option, value) for option, value in joined if f"ignored explicit argument {value!r}" in message]
    for option, value in (*apart, *ignored):
        if option.startswith("--") and value.lower() in ("true", "false"):
            return f"{option} takes no value: {option} switches it on, --no-{option[2:]} off"
    return ""


def fail(message: str, code: int) -> int:
    """Print an error and return the exit code."""
    sys.stderr.write(f"error: {message}\n")
    return code


def _line(location: tuple[int | str, ...], value: object, message: str) -> str:
    named = [str(part).replace("_", "-") for part in location[1:]]
    return f"--{'.'.join(named)}: got {value!r}; {message}" if named else message
