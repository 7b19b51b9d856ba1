"""Searches that take a second or two, on the checkerboard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from ncf.config import GMFConfig, GMFRecipe, GMFTraining, MLPConfig, MLPRecipe, MLPTraining
from tests.ncf.known import checkerboard
from tuning.config import StorageConfig
from tuning.observer import TrialOutcome, TrialStart
from tuning.problem import Problem
from tuning.ranges import Choices, FloatRange, Range

QUICK = StorageConfig(heartbeat_seconds=1, grace_seconds=3, lock_seconds=30)
RATE, LAYERS = "training.learning_rate", "model.layers"
SPACE: Mapping[str, Range] = {
    RATE: FloatRange(low=0.001, high=0.05, log=True),
    "training.schedule": Choices(choices=("constant", "linear")),
}
GMF = GMFRecipe(
    model=GMFConfig(embedding_dim=8), training=GMFTraining(learning_rate=0.02, batch_size=256, max_epochs=2)
)
MLP = MLPRecipe(model=MLPConfig(layers=(16, 8)), training=MLPTraining(learning_rate=0.02, batch_size=256, max_epochs=2))


def gmf(**training: Any) -> GMFRecipe:
    """GMF with other settings of its training."""
    return GMF.model_copy(update={"training": GMF.training.model_copy(update=training)})


def gmf_problem(space: Mapping[str, Range] = SPACE, recipe: GMFRecipe = GMF, **others: Any) -> Problem:
    return Problem("gmf", recipe, space, checkerboard(), **others)


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


@dataclass
class Notes:
    """An observer that remembers, and may do something when a trial begins."""

    starts: list[TrialStart] = field(default_factory=list)
    outcomes: list[TrialOutcome] = field(default_factory=list)
    loggers: Sequence[Logger] = ()

    def started(self, trial: TrialStart) -> Sequence[Logger]:
        self.starts.append(trial)
        return self.loggers

    def ended(self, outcome: TrialOutcome) -> None:
        self.outcomes.append(outcome)
