"""Run a flow as a command: checks, lock, Prefect's server, and the result on the terminal."""

import logging
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from prefect import Flow
from rich.console import Console
from typing_extensions import override

from flows.cli.command import UNWRITABLE
from flows.orchestration.locks import one_at_a_time
from flows.orchestration.run_flow import run_flow, start_prefect
from ncf.errors import NCFError

R = TypeVar("R")
S = TypeVar("S")


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
        settings: of the flow.
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


class _ReportedErrors(logging.Filter):
    """Drops Prefect's tracebacks of errors and interruptions that the command reports in one line."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_interrupted = "by Python system exit call" in record.getMessage()
        is_unwritable = isinstance(error, OSError) and error.errno in UNWRITABLE
        is_reported = isinstance(error, (NCFError, MlflowException, KeyboardInterrupt, SystemExit))
        return not (is_interrupted or is_unwritable or is_reported)


def quiet_logs() -> None:
    """Log to the terminal only how far the run is and what the user must know."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for each download of a few files
    logging.getLogger("ncf").setLevel(logging.INFO)  # where data comes from, and its license
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ReportedErrors())
