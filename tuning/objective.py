"""One trial: its settings, its training, and what came of it. The test holdout is never touched."""

import math
from collections.abc import Sequence

import pytorch_lightning as pl
from optuna import Trial, TrialPruned
from pytorch_lightning.loggers import Logger
from typing_extensions import override

from ncf.errors import ModelError
from ncf.training.fit import Training, fit
from ncf.training.module import NCFModule, monitored
from tuning.database import Database
from tuning.observer import Recipe
from tuning.parts import Parts, initial_model
from tuning.problem import Problem


class Reporter(pl.Callback):
    """Reports the validation NDCG@10 after each epoch, and gives the trial up if the pruner says so.

    Args:
        trial: Optuna's.
        database: where the reports go.
        reports: False with a second objective, where Optuna prunes nothing.

    Attributes:
        curve: NDCG@10 by epoch, from 1.
    """

    def __init__(self, trial: Trial, database: Database, *, reports: bool) -> None:
        self.trial = trial
        self.database = database
        self.reports = reports
        self.curve: dict[int, float] = {}

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        epoch = trainer.current_epoch + 1
        self.curve[epoch] = float(trainer.callback_metrics[monitored(pl_module.config)])
        if self.reports:
            with self.database.told():
                self.trial.report(self.curve[epoch], epoch)
                if epoch < pl_module.config.max_epochs and self.trial.should_prune():  # at its end nothing is saved
                    raise TrialPruned

    def best_epoch(self) -> int | None:
        """The epoch with the best figure, the first of equals; None before the first."""
        return max(self.curve, key=lambda epoch: (self.curve[epoch], -epoch), default=None)


def train(
    problem: Problem, recipe: Recipe, parts: Parts | None, title: str, loggers: Sequence[Logger], reporter: Reporter
) -> Training:
    """Train with the settings of a trial.

    Raises:
        TrialPruned: the pruner gave it up.
        ModelError: its score is no number.
    """
    training = fit(
        initial_model(problem, recipe, problem.seed, parts),
        problem.data,
        recipe.training,
        seed=problem.seed,
        title=title,
        hardware=problem.hardware,
        loggers=loggers,
        callbacks=[reporter],
    )
    if not math.isfinite(training.best_validation):
        raise ModelError("the validation NDCG@10 is no number", got=training.best_validation)
    return training


def values_to_tell(problem: Problem, training: Training) -> list[float]:
    """Best validation NDCG@10, and the second objective where there is one."""
    match problem.second:
        case None:
            return [training.best_validation]
        case "seconds":
            return [training.best_validation, training.seconds]
        case "size":
            return [training.best_validation, float(sum(weight.numel() for weight in training.model.parameters()))]
