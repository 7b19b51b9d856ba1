"""Run as a process: work on a study of the checkerboard, slowly enough to be killed, and write down what happens.

python -m tests.tuning.slow_worker URL NAME TRIALS LOG SECONDS_AN_EPOCH
"""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger
from typing_extensions import override

from tests.tuning.small_studies import NO_PRUNING, QUICK, RANDOM, gmf_problem
from tuning.config import BudgetConfig
from tuning.problem import Observer, TrialOutcome, TrialStart
from tuning.study import open_study
from tuning.work import run_trials


class Pace(Logger):
    """Makes an epoch last so many seconds at least."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    @property
    @override
    def name(self) -> str:
        return "pace"

    @property
    @override
    def version(self) -> int:
        return 0

    @override
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        time.sleep(self.seconds / 2)  # loss and validation are logged apart

    @override
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        pass


class Diary(Observer):
    """Appends one line to a file for each thing that happens; a line is written whole."""

    def __init__(self, path: Path, pace: float) -> None:
        self.path = path
        self.pace = pace

    @override
    def started(self, trial: TrialStart) -> Sequence[Logger]:
        self._write({"start": trial.number, "values": dict(trial.values), "retry_of": trial.retry_of})
        return (Pace(self.pace),)

    @override
    def ended(self, outcome: TrialOutcome) -> None:
        self._write({"end": outcome.number, "state": outcome.state, "reason": outcome.reason})

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def work(url: str, name: str, trials: int, log: Path, pace: float) -> None:
    handle = open_study(url, name, gmf_problem(), RANDOM, NO_PRUNING, config=QUICK)
    run_trials(handle, BudgetConfig(trials=trials), Diary(log, pace))


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), float(sys.argv[5]))
