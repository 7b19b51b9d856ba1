"""Run a command: settings from its options or subcommand, one line for an error, an exit code.

Imports neither Prefect nor MLflow nor torch, so that --help and a refused option are answered at once.
"""

import difflib
import errno
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError, get_subcommand

from ncf.config import Settings, flatten
from ncf.errors import ConfigError, NCFError

S = TypeVar("S", bound=Settings)

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (*FULL, errno.EROFS, errno.EACCES)
CONTINUES = "what is finished is kept, and the same command continues from there"


def run_command(
    settings_type: type[Settings],
    run: Callable[[Any], int | None],
    args: Sequence[str] | None = None,
    interrupted: str = CONTINUES,
) -> int:
    """Read the settings and run the command. Returns the exit code.

    Args:
        settings_type: the options, or Subcommands.
        run: takes the settings, or those of the subcommand; returns an exit code, or None for success.
        args: the command line; by default that of this process.
        interrupted: what an interruption means for the user.
    """
    args = sys.argv[1:] if args is None else args
    try:
        settings = parse_command(settings_type, args)
    except NCFError as error:
        return fail(str(error), EXIT_USAGE)
    try:
        return run(settings) or 0
    except NCFError as error:
        return fail(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in UNWRITABLE:
            raise
        return fail(describe_os_error(error))
    except KeyboardInterrupt:
        return fail(f"interrupted; {interrupted}", EXIT_INTERRUPTED)
    except _mlflow_errors() as error:
        return fail(f"MLflow failed: {str(error)[:500]}; {CONTINUES} once MLflow works again")


def fail(message: str, code: int = EXIT_FAILED) -> int:
    """Print an error and return the exit code."""
    sys.stderr.write(f"error: {message}\n")
    return code


def describe_os_error(error: OSError) -> str:
    """One line about a file that can't be read or written."""
    if error.errno not in UNWRITABLE:
        return f"{error.filename}: {error.strerror}"
    remedy = "free some space" if error.errno in FULL else "make it writable"
    return f"can't write {error.filename or 'a file'}: {error.strerror}; what to do: {remedy}; {CONTINUES}"


def _mlflow_errors() -> tuple[type[Exception], ...]:
    """MLflow's exceptions; none where MLflow was not imported, and so raised nothing."""
    module = sys.modules.get("mlflow.exceptions")
    return (module.MlflowException,) if module else ()


class Subcommands(Settings):
    """Base of a command with subcommands, each a field of the type CliSubCommand of settings."""


def parse(settings_type: type[S], args: Sequence[str]) -> S:
    """Settings from options such as --gmf.training.learning-rate 0.01; --help prints them all and exits.

    Raises:
        ConfigError: an option is unknown, missing, or has an impossible value.
    """
    try:
        found = CliApp.run(_command_line(settings_type), cli_args=list(args), cli_exit_on_error=False)
        if issubclass(settings_type, Subcommands):
            return found
        return settings_type.model_validate(found.model_dump(exclude_unset=True))  # defaults stay known as such
    except ValidationError as error:
        lines = [
            f"{_option_at(problem['loc'], args)}: got {problem['input']!r}; "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ConfigError("\n       ".join(lines), do="see --help") from error
    except SettingsError as error:
        wrong = _switch_with_value(error, args) or _unknown_option(str(error), settings_type)
        raise ConfigError(wrong, do="see --help") from error


def parse_command(settings_type: type[Settings], args: Sequence[str]) -> Settings:
    """Settings from options; of Subcommands, those of the subcommand that is named first.

    Raises:
        ConfigError: there is no subcommand, or an option is unknown, missing, or has an impossible value.
    """
    settings = parse(settings_type, args)
    if not isinstance(settings, Subcommands):
        return settings
    subcommand = get_subcommand(settings, is_required=False, cli_exit_on_error=False)
    if not isinstance(subcommand, Settings):
        raise ConfigError("there is no subcommand", allowed=", ".join(settings_type.model_fields), do="see --help")
    return subcommand


def _command_line(settings_type: type[S]) -> type[S]:
    """The settings as pydantic-settings reads options, without the defaults of nested settings."""
    config = SettingsConfigDict(
        case_sensitive=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_enforce_required=True,
        cli_implicit_flags=True,
        cli_kebab_case=True,
    )
    about = {"__doc__": settings_type.__doc__, "__module__": __name__, "model_config": config}
    return type(settings_type.__name__, (BaseSettings, settings_type), about)


def _option_at(location: tuple[int | str, ...], args: Sequence[str]) -> str:
    """The option of a location in the settings, as the user wrote it.

    Pydantic's location also has the subcommand, and the name of one of several kinds of nested settings.
    """
    names = [str(name).replace("_", "-") for name in location]
    if len(names) > 1 and names[0] in args:
        names = names[1:]
    shorter = [names[:index] + names[index + 1 :] for index in range(1, len(names))]
    options = [f"--{'.'.join(each)}" for each in (names, *shorter)]
    written = {word.partition("=")[0] for word in args}
    inner = (option for option in options if any(option.startswith(f"{word}.") for word in written if "." in word))
    return next((option for option in options if option in written), next(inner, options[0]))


def _unknown_option(message: str, settings_type: type[Settings]) -> str:
    """What argparse says, and the nearest options that exist."""
    options = [f"--{name.replace('_', '-')}" for name in flatten(settings_type.model_construct().model_dump())]
    words = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
    near = [option for word in words for option in difflib.get_close_matches(word, options, n=1, cutoff=0.5)]
    hint = f" (nearest: {', '.join(near)})" if near else ""
    return message.removeprefix("error parsing CLI: ") + hint


def _switch_with_value(error: SettingsError, args: Sequence[str]) -> str:
    """What to say of a switch with a value such as `--force true`; empty if something else is wrong."""
    message = str(error)
    apart = [pair for pair in pairwise(args) if pair[1] in message.split() and pair[0] not in message.split()]
    joined = [(word.partition("=")[0], word.partition("=")[2]) for word in args if word.startswith("--")]
    ignored = [(option, value) for option, value in joined if f"ignored explicit argument {value!r}" in message]
    for option, value in (*apart, *ignored):
        if option.startswith("--") and value.lower() in ("true", "false"):
            return f"{option} takes no value: {option} switches it on, --no-{option[2:]} off"
    return ""
