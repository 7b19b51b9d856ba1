"""Run a command: settings from its options, one line for an error, an exit code.

Imports neither Prefect nor MLflow nor torch, so that --help and a refused option are answered at once.
"""

import errno
import sys
from collections.abc import Callable, Sequence
from typing import Any

from flows.cli.parse import parse_command
from ncf.config import Settings
from ncf.errors import NCFError

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
