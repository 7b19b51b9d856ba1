"""Retrainings in processes of their own, without the seconds that each would take to import everything.

Reads a line of JSON per run: retrain or recommend, its options, and perhaps a fault as in fault_injection.py. This
process has imported what a retraining needs; a fork of it runs as `python -m flows.retrain` does, and may be killed.
Writes how each one ended: an exit code, or minus the number of a signal.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import mlflow.pyfunc  # what a retraining would import late
import plotly.graph_objects
import pytorch_lightning

from flows.cli.command import run_command
from flows.recommend.__main__ import run as recommend_command
from flows.recommend.settings import RecommendSettings
from flows.retrain import flow
from flows.retrain.__main__ import run as retrain_command
from flows.retrain.settings import RetrainSettings
from tests.e2e.faults.fault_injection import inject_fault

COMMANDS: dict[str, Any] = {
    "retrain": (RetrainSettings, retrain_command),
    "recommend": (RecommendSettings, recommend_command),
}
IMPORTED = (flow, mlflow.pyfunc, plotly.graph_objects, pytorch_lightning)


def main() -> None:
    """Retrain as often as is asked, one at a time."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            settings, command = COMMANDS[order["flow"]]
            run = partial(run_command, settings, command, order["options"])
            os._exit(run_once(run, order["fault"], order["kill_after"], Path(order["log"])))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def run_once(run: Callable[[], int], fault: str, kill_after: float, log: Path) -> int:
    """In the fork: run, and meet the fault, or SIGKILL after so many seconds. Returns the exit code."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if fault:
        inject_fault(fault)
    if kill_after:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, kill_after)
    code = 1
    with suppress(SystemExit):
        code = run()
    return code


if __name__ == "__main__":
    main()
