"""The command line of every flow: settings as options, one line for an error, a summary at the end."""

import difflib
import errno
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError
from rich.console import Console
from typing_extensions import override

from flows.cli.preflight import check_before_work
from flows.cli.subcommands import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, fail, wrong_switch
from flows.orchestration.run_flow import PrefectAwayError, run_watched
from flows.prepare.settings import DataSettings
from flows.recommend.settings import RecommendSettings
from ncf.config import Settings
from ncf.content import flatten
from ncf.errors import ConfigError, NCFError
from ncf.files import cache_dir

R = TypeVar("R")
S = TypeVar("S", bound=Settings)
D = TypeVar("D", bound=DataSettings | RecommendSettings)

FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (*FULL, errno.EROFS, errno.EACCES)
GO_ON = "nothing finished was lost, and the same command goes on"


def run_from_command_line(
    flow: Flow[Any, R],
    settings_type: type[D],
    args: Sequence[str],
    show: Callable[[R, Console], None],
    lock: Callable[[str], AbstractContextManager[object]] | None = None,
) -> int:
    """Read the settings, run the flow and show what it found. Returns the exit code.

    Args:
        flow: takes the settings.
        settings_type: what the options are.
        args: the command line.
        show: prints what the flow returned.
        lock: is held for the data set during the flow; by default one_at_a_time.
    """
    console = Console(stderr=False)
    try:
        settings = parse(settings_type, args)
    except NCFError as error:
        return fail(str(error), EXIT_USAGE)
    quieten()
    try:
        check_before_work(settings, retries=0)  # here too, so that the user need not wait to be told
        with (lock or one_at_a_time)(settings.dataset):
            start_prefect()
            found = run_watched(flow, settings)
            show(found, console)
    except NCFError as error:
        return fail(str(error), EXIT_FAILED)
    except MlflowException as error:
        return fail(f"MLflow failed: {error.message[:500]}; {GO_ON} once it works again", EXIT_FAILED)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        return fail(unwritten(error), EXIT_FAILED)
    except (KeyboardInterrupt, SystemExit):
        return fail("interrupted; what is finished is kept. The same command goes on from there", EXIT_INTERRUPTED)
    return 0


def unwritten(error: OSError) -> str:
    """What to say of a file that can't be written."""
    remedy = "make room" if error.errno in FULL else "make it writable"
    return f"can't write {error.filename or 'a file'}: {error.strerror}; {remedy}, and {GO_ON}"


def parse(settings_type: type[S], args: Sequence[str]) -> S:
    """Settings from options such as --gmf.training.learning-rate 0.01; --help prints them all and exits.

    Raises:
        ConfigError: an option is unknown, or a value is impossible.
    """
    try:
        given = CliApp.run(_command_line(settings_type), cli_args=list(args), cli_exit_on_error=False)
        return settings_type.model_validate(given.model_dump(exclude_unset=True))  # what is given stays known as such
    except ValidationError as error:
        lines = [
            f"{_option_at(problem['loc'], args)}: got {problem['input']!r}; "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ConfigError("\n       ".join(lines), do="see --help") from error
    except SettingsError as error:
        wrong = wrong_switch(error, args) or _unknown_option(str(error), settings_type)
        raise ConfigError(wrong, do="see --help") from error


def _command_line(settings_type: type[S]) -> type[S]:
    """The settings as pydantic-settings reads options; the defaults of nested ones are not filled in as if given."""
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
    """The option at a place in the settings, as it was given: the place also names which of several kinds was meant."""
    parts = [str(part).replace("_", "-") for part in location]
    shorter = [parts[:place] + parts[place + 1 :] for place in range(1, len(parts))]
    options = [f"--{'.'.join(each)}" for each in (parts, *shorter)]
    given = {word.partition("=")[0] for word in args}
    return next((option for option in options if option in given), options[0])


def _unknown_option(message: str, settings_type: type[Settings]) -> str:
    options = [f"--{name.replace('_', '-')}" for name in flatten(settings_type().model_dump())]
    words = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
    near = [option for word in words for option in difflib.get_close_matches(word, options, n=1, cutoff=0.5)]
    hint = f" (nearest: {', '.join(near)})" if near else ""
    return message.removeprefix("error parsing CLI: ") + hint


@contextmanager
def one_at_a_time(dataset: str) -> Iterator[None]:
    """Hold this machine's lock for a data set; it is free again when the process ends, however.

    Raises:
        ConfigError: another process holds it.
    """
    path = cache_dir() / "locks" / f"{dataset}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        raise ConfigError(
            f"another run for {dataset} is going on, on this machine", do="wait for it, or stop it"
        ) from error


def start_prefect() -> None:
    """Start Prefect's embedded server, where none is set, out of reach of the terminal's Ctrl-C.

    A terminal sends Ctrl-C to every process of the command; without its server this one could not report its end.

    Raises:
        PrefectAwayError: it does not start, or the server that is set does not answer.
    """
    url = get_current_settings().api.url
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the server's process inherits the mask
    try:
        problem = get_client(sync_client=True).api_healthcheck()
    except RuntimeError as error:  # it did not start, and says all that it printed
        raise PrefectAwayError(
            "Prefect's server on this machine did not start",
            got=str(error)[:500],
            do="run the same command again; with make up there is one that stays",
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if problem is not None:
        raise PrefectAwayError(
            "the Prefect server does not answer",
            got=f"{url or 'the one of this machine'}: {problem}",
            do="start it (make up), or unset $PREFECT_API_URL for one of this machine's own",
        )


class _ToldAlready(logging.Filter):
    """Drops what Prefect prints of an error or an interruption, of which the user is told in one line anyway."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        interrupted = "by Python system exit call" in record.getMessage()
        unwritable = isinstance(error, OSError) and error.errno in UNWRITABLE
        told = isinstance(error, (NCFError, MlflowException, KeyboardInterrupt, SystemExit))
        return not (interrupted or unwritable or told)


def quieten() -> None:
    """Leave on the terminal what tells the user where the run is, and what they must know."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for each download of a few files
    logging.getLogger("ncf").setLevel(logging.INFO)  # where data comes from, and its licence
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ToldAlready())
