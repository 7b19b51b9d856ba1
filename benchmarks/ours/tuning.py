"""Search jobs: one study of GMF's settings on MovieLens-100K."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from typing_extensions import override

from ncf.config import GMFRecipe
from ncf.data.config import DataConfig, FilterConfig
from ncf.hardware import HardwareConfig
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig
from tuning.problem import Observer, Problem, TrialOutcome
from tuning.space import space_of
from tuning.study import open_study
from tuning.work import run_trials

UNLIMITED_TRIALS = 1_000_000  # the time limit ends a search


class Clock(Observer):
    """Records how and when each trial ended, in minutes since the search began."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.trials: list[dict[str, Any]] = []

    @override
    def ended(self, outcome: TrialOutcome) -> None:
        """Record the trial."""
        minutes = (time.perf_counter() - self.began) / 60
        self.trials.append({"minutes": minutes, "state": outcome.state, "score": outcome.score})


def tune(job: dict[str, Any]) -> dict[str, Any]:
    """Search for some minutes; a trial that is running at the end is finished and ends later."""
    config = DataConfig(filters=FilterConfig(max_users=job["users"]))
    data = prepare_ratings(load_ratings(MovieLensSource()), config, name="ml-100k")
    hardware = HardwareConfig(threads=job["threads"])
    problem = Problem("gmf", GMFRecipe(), space_of("gmf"), data, seed=job["seed"], hardware=hardware)
    sampler, pruner = SamplerConfig(kind=job["sampler"]), PrunerConfig(kind=job["pruner"])
    with TemporaryDirectory() as folder:
        clock = Clock()
        study = open_study(f"sqlite:///{Path(folder) / 'studies.db'}", "gmf", problem, sampler, pruner)
        run_trials(study, BudgetConfig(trials=UNLIMITED_TRIALS, minutes=job["minutes"]), clock)
    return {"trials": clock.trials}
