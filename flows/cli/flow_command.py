"""Run a flow as a command: checks, lock, Prefect's server, and the result on the terminal."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

import httpx
import prefect
from filelock import FileLock
from mlflow.exceptions import MlflowException
from prefect import Flow, flow_engine
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings
from rich.console import Console
from typing_extensions import override

from flows.cli.command import UNWRITABLE
from flows.cli.next_command import start_servers
from flows.orchestration.deployments import HEARTBEAT_SECONDS, TAG
from flows.orchestration.locks import one_at_a_time
from ncf.errors import NCFError

R = TypeVar("R")
S = TypeVar("S")
PAUSES = (1, 2, 4, 8, 16, 30)  # seconds: a server that is restarted answers within a minute


class PrefectAwayError(NCFError):
    """The Prefect server does not answer."""


def run_flow_command(
    flow: Flow[Any, R],
    settings: S,
    check: Callable[[S, int], None],
    show: Callable[[R, Console], None],
    lock: str | None = None,
) -> None:
    """Run a flow and show its result.

    Args:
        flow: has one parameter, `settings`.
        settings: its value.
        check: refuses settings that can't work; its second argument is how often MLflow is asked again. The flow checks
            them as well, but Prefect takes seconds to start.
        show: prints the result.
        lock: name of this machine's lock that is held meanwhile, such as the data set's.

    Raises:
        NCFError: a check fails, another process holds the lock, or the flow fails.
    """
    quiet_logs()
    check(settings, 0)
    with one_at_a_time(lock, f"another run for {lock}") if lock else nullcontext():
        start_prefect()
        try:
            result = run_flow(flow, settings)
        except SystemExit as error:  # Prefect's, after SIGTERM
            raise KeyboardInterrupt from error
        show(result, Console())


def start_prefect() -> None:
    """Start Prefect's embedded server, where no other is set, out of reach of the terminal's Ctrl-C.

    A terminal sends Ctrl-C to every process of a command; without its server the command could not report its end.

    Raises:
        PrefectAwayError: the embedded server does not start, or the server that is set does not answer.
    """
    url = get_current_settings().api.url
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the server's process inherits the mask
    try:
        with _new_database_alone() if url is None else nullcontext():
            problem = get_client(sync_client=True).api_healthcheck()
    except RuntimeError as error:  # it did not start; the error has all that it printed
        raise PrefectAwayError(
            "Prefect's server on this machine did not start",
            got=str(error)[:500],
            do=f"run the same command again, or start a server that stays: {start_servers()}",
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if problem is not None:
        raise PrefectAwayError(
            "the Prefect server does not answer",
            got=f"{url or 'the embedded server of this machine'}: {problem}",
            do=f"start it ({start_servers()}), or unset $PREFECT_API_URL to use an embedded server",
        )


@contextmanager
def _new_database_alone() -> Iterator[None]:
    """Let one process alone make the embedded server's database, or migrate it after an update of Prefect.

    Servers that start at the same time on a new database find it locked for longer than they wait, and give up.
    """
    home = get_current_settings().home
    made, database = home / "ncf-locks" / f"prefect-{prefect.__version__}", home / "prefect.db"
    made.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(made.with_name(f"{made.name}.lock")):
        is_new = not (made.exists() and database.exists())
        if is_new:
            yield
            made.touch()
    if not is_new:
        yield


def run_flow(flow: Flow[Any, R], settings: object) -> R:
    """Run a flow with its one parameter; on a server, with heartbeats and the tag that the automations look for.

    The run has the tag and its tasks have not, as with a deployment: for each tag of a task Prefect asks the server for
    a slot, which fails without a retry while the server is away.

    Raises:
        PrefectAwayError: the server went away for more than a minute.
    """
    if get_current_settings().api.url is None:
        return flow(settings)
    parameters = {"settings": settings}
    run = _create_run(flow, parameters)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_SECONDS}):
        return cast(R, flow_engine.run_flow(flow, flow_run=run, parameters=parameters))


def _create_run(flow: Flow[Any, Any], parameters: dict[str, Any]) -> FlowRun:
    """A run on the server; retried only if the server was not reached, so that there is never a second run."""
    client = get_client(sync_client=True)
    pauses = iter(PAUSES)
    while True:
        try:
            return client.create_flow_run(flow, parameters=flow.serialize_parameters(parameters), tags=[TAG])
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            pause = next(pauses, None)
            if pause is None:
                raise PrefectAwayError(
                    "the Prefect server went away before the run could begin",
                    got=str(error),
                    do=f"start it ({start_servers()})",
                ) from error
            time.sleep(pause)


class _ReportedErrors(logging.Filter):
    """Drops Prefect's tracebacks of errors and interruptions that the command reports in one line."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_interrupted = "Crash detected! Execution was aborted by" in record.getMessage()
        is_unwritable = isinstance(error, OSError) and error.errno in UNWRITABLE
        is_reported = isinstance(error, (NCFError, MlflowException, KeyboardInterrupt, SystemExit))
        return not (is_interrupted or is_unwritable or is_reported)


def quiet_logs() -> None:
    """Log to the terminal only how far the run is and what the user must know."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for each download of a few files
    logging.getLogger("ncf").setLevel(logging.INFO)  # where data comes from, and its license
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ReportedErrors())
