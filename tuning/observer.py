"""The events of a study, for whoever records or shows its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytorch_lightning.loggers import Logger

from ncf.config import Recipe
from tuning.ranges import Value

State: TypeAlias = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True)
class TrialStart:
    """The start of a trial.

    Attributes:
        number: of the trial in its study, from 0.
        recipe: all its settings.
        values: the searched settings, by their dotted names.
        retry_of: number of the interrupted trial that this one repeats; of several in a row, the first.
    """

    number: int
    recipe: Recipe
    values: Mapping[str, Value]
    retry_of: int | None = None


@dataclass(frozen=True)
class TrialOutcome:
    """The end of a trial.

    Attributes:
        number: of the trial in its study, from 0.
        state: complete; pruned: stopped by the pruner; failed: see reason; interrupted: its process died or was
            stopped, and another trial repeats it.
        values: the searched settings by their dotted names; empty if the trial died before it had them.
        score: best validation NDCG@10 until its end; None if it had none.
        second: seconds of training or number of weights, if that is the study's second objective.
        epochs: number of epochs that were run.
        best_epoch: the epoch with the score, from 1; 0: the initial weights.
        seconds: of training; of an interrupted trial, until its last heartbeat.
        reason: why it failed; empty otherwise.
        curve: validation NDCG@10 by epoch, from 1; None with a second objective.
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


class Observer:
    """Receives the trials of one worker; this one does nothing with them.

    If it raises an error, the worker stops, and its trial is queued again.
    """

    def started(self, trial: TrialStart) -> Sequence[Logger]:
        """Called when a trial starts; the returned Lightning loggers receive its loss and validation of each epoch."""
        return ()

    def ended(self, outcome: TrialOutcome) -> None:
        """Called when a trial has ended and is recorded in the study.

        Also called for a trial of another process that died, by the worker that finds it. If the process is killed
        between the record and this call, there is no call: `tuning.summary.summarize` has every outcome.
        """
