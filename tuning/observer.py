"""What the outside is told of a study's trials, so that it can keep and show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from pytorch_lightning.loggers import Logger

from ncf.config import Recipe as Recipe
from tuning.ranges import Value

State: TypeAlias = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True)
class TrialStart:
    """A trial that begins.

    Attributes:
        number: of the trial in its study, from 0.
        recipe: the settings it trains with.
        values: those of them that are searched, by their dotted names.
        retry_of: number of the trial whose process died or was interrupted, if this one does its work again; of
            several in a row the first.
    """

    number: int
    recipe: Recipe
    values: Mapping[str, Value]
    retry_of: int | None = None


@dataclass(frozen=True)
class TrialOutcome:
    """A trial that ended.

    Attributes:
        number: of the trial in its study, from 0.
        state: complete; pruned: given up by the pruner; failed, for the reason given; interrupted: its process died or
            was stopped, and another trial does its work again.
        values: the searched settings by their dotted names; empty if the trial died before it had them.
        score: best validation NDCG@10, until it was given up if it was; None if it had none.
        second: seconds of training or number of weights, where the study minds them.
        epochs: epochs run.
        best_epoch: the epoch with the score, from 1; 0: the initial weights.
        seconds: of training; of an interrupted trial, until its last sign of life.
        reason: why it failed; empty otherwise.
        curve: validation NDCG@10 by epoch, from 1, where the study has it: not with a second objective.
        retry_of: as in TrialStart.
    """

    number: int
    state: State
    values: Mapping[str, Value]
    score: float | None = None
    second: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    seconds: float | None = None
    reason: str = ""
    curve: Mapping[int, float] | None = None
    retry_of: int | None = None


class Observer(Protocol):
    """Is told of the trials of one worker. An error it raises stops the worker; its running trial is queued again."""

    def started(self, trial: TrialStart) -> Sequence[Logger]:
        """A trial begins; the Lightning loggers returned receive its loss and validation by epoch."""
        ...

    def ended(self, outcome: TrialOutcome) -> None:
        """A trial has ended, and the study has it already.

        Trials of other processes that died are told here too, by the worker that finds them. A kill between the
        study's note and this call leaves the trial untold: `tuning.summary.summarise` has every outcome.
        """
        ...


class Silent:
    """An observer that keeps nothing, for notebooks and tests."""

    def started(self, trial: TrialStart) -> Sequence[Logger]:
        """No loggers."""
        return ()

    def ended(self, outcome: TrialOutcome) -> None:
        """Nothing to do."""
