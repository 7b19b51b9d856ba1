"""Searches that take a second or two, on the checkerboard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from typing_extensions import override

from ncf.config import GMFConfig, GMFRecipe, GMFTraining, MLPConfig, MLPRecipe, MLPTraining, PretrainedRecipe
from tests.ncf.toy_data import checkerboard
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig, StorageConfig
from tuning.problem import Observer, Problem, TrialOutcome, TrialStart
from tuning.ranges import Choices, FloatRange, Range
from tuning.study import StudyHandle, open_study
from tuning.work import run_trials

QUICK = StorageConfig(heartbeat_seconds=1, grace_seconds=3, lock_seconds=30)
RANDOM, NO_PRUNING = SamplerConfig(kind="random"), PrunerConfig(kind="none")
RATE = "training.learning_rate"
SPACE: Mapping[str, Range] = {
    RATE: FloatRange(low=0.001, high=0.05, log=True),
    "training.schedule": Choices(choices=("constant", "linear")),
}
GMF = GMFRecipe(
    model=GMFConfig(embedding_dim=8), training=GMFTraining(learning_rate=0.02, batch_size=256, max_epochs=2)
)
MLP = MLPRecipe(model=MLPConfig(layers=(16, 8)), training=MLPTraining(learning_rate=0.02, batch_size=256, max_epochs=2))


def gmf_recipe(**training: Any) -> GMFRecipe:
    """GMF with other settings of its training."""
    return GMF.model_copy(update={"training": GMF.training.model_copy(update=training)})


def gmf_problem(space: Mapping[str, Range] = SPACE, recipe: GMFRecipe = GMF, **others: Any) -> Problem:
    return Problem("gmf", recipe, space, checkerboard(), **others)


def pretrained_problem() -> Problem:
    """NeuMF from GMF and MLP, trained on for an epoch, with a search for alpha."""
    recipe = PretrainedRecipe(training=PretrainedRecipe().training.model_copy(update={"max_epochs": 1}))
    space = {"alpha": FloatRange(low=0.1, high=0.9)}
    return Problem("neumf-pretrained", recipe, space, checkerboard(), parts=(GMF, MLP))


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


@dataclass
class Notes(Observer):
    """An observer that remembers; its loggers are those of every trial."""

    starts: list[TrialStart] = field(default_factory=list)
    outcomes: list[TrialOutcome] = field(default_factory=list)
    loggers: Sequence[Logger] = ()

    @override
    def started(self, trial: TrialStart) -> Sequence[Logger]:
        self.starts.append(trial)
        return self.loggers

    @override
    def ended(self, outcome: TrialOutcome) -> None:
        self.outcomes.append(outcome)


def open_board(
    folder: Path, problem: Problem | None = None, sampler: SamplerConfig = RANDOM, pruner: PrunerConfig = NO_PRUNING
) -> StudyHandle:
    return open_study(sqlite(folder), "board", problem or gmf_problem(), sampler, pruner, QUICK)


def run_board(handle: StudyHandle, trials: int, **others: Any) -> Notes:
    notes = Notes()
    run_trials(handle, BudgetConfig(trials=trials, **others), notes)
    return notes
