"""One trial: its settings, its training, and the record of its end. The test holdout is never used."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from filelock import FileLock
from optuna import Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from typing_extensions import override

from ncf.errors import ConfigError, ModelError, NCFError
from ncf.training.fit import Training, fit
from ncf.training.module import NCFModule, monitored
from tuning.database import Database, StudyError
from tuning.parts import Parts, initial_model
from tuning.problem import Observer, Problem, TrialOutcome, TrialStart
from tuning.ranges import Value
from tuning.records import Attr, outcome_of
from tuning.recovery import heartbeats, requeue
from tuning.space import with_values
from tuning.study import StudyHandle

LONGEST_REASON = 1000  # characters


@dataclass(frozen=True)
class Task:
    """A trial that this worker took, with its values."""

    trial: Trial
    values: dict[str, Value]
    retry_of: int | None


@dataclass(frozen=True)
class _End:
    """How a trial ended: Optuna's state, user attributes, and the values of the objectives."""

    state: TrialState
    attrs: Mapping[str, Any]
    values: list[float] | None = None


class Reporter(pl.Callback):
    """Reports the validation NDCG@10 after each epoch, and stops the trial if the pruner says so.

    Args:
        trial: Optuna's.
        database: where the reports go.
        reports: False with a second objective, for which Optuna has no pruning.

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
            with self.database.translated_errors():
                self.trial.report(self.curve[epoch], epoch)
                if (
                    epoch < pl_module.config.max_epochs and self.trial.should_prune()
                ):  # after the last one, pruning saves nothing
                    raise TrialPruned

    def best_epoch(self) -> int | None:
        """The epoch with the highest value, the first one of several; None before the first epoch."""
        return max(self.curve, key=lambda epoch: (self.curve[epoch], -epoch), default=None)


def run_trial(handle: StudyHandle, task: Task, parts: Callable[[], Parts | None], observer: Observer) -> TrialOutcome:
    """Train, and record the outcome. An error that the settings did not cause queues the trial again, and is raised."""
    began = time.perf_counter()
    reporter = Reporter(task.trial, handle.database, reports=handle.problem.second is None)
    try:
        with heartbeats(handle.database.storage, task.trial._trial_id, handle.config.heartbeat_seconds):
            end = _train(handle.problem, task, parts(), observer, reporter)
    except StudyError:
        raise  # nothing can be recorded; the trial is recovered when the database works again
    except UpdateFinishedTrialError:  # another worker took it for dead and queued it again
        end = _End(TrialState.FAIL, {})
    except BaseException:  # Ctrl-C and the like, or an error of the observer
        _close(handle, task, _End(TrialState.FAIL, {Attr.INTERRUPTED: True}), time.perf_counter() - began)
        raise
    return _close(handle, task, end, time.perf_counter() - began)


def _train(problem: Problem, task: Task, parts: Parts | None, observer: Observer, reporter: Reporter) -> _End:
    """Train. An error of the training ends the trial; an error of the observer is raised."""
    try:
        recipe = with_values(problem.recipe, task.values)
    except ConfigError as error:
        return _failed(error)
    number = task.trial.number
    loggers = observer.started(TrialStart(number, recipe, task.values, task.retry_of))
    try:
        training = fit(
            initial_model(problem, recipe, problem.seed, parts),
            problem.data,
            recipe.training,
            seed=problem.seed,
            title=f"trial {number}",
            hardware=problem.hardware,
            loggers=loggers,
            callbacks=[reporter],
        )
        if not math.isfinite(training.best_validation):
            raise ModelError("the validation NDCG@10 is not a number", got=training.best_validation)
    except TrialPruned:
        return _End(TrialState.PRUNED, {Attr.EPOCHS: len(reporter.curve), Attr.BEST_EPOCH: reporter.best_epoch()})
    except (StudyError, UpdateFinishedTrialError):
        raise
    except Exception as error:  # of any kind: the study goes on without this trial
        return _failed(error)
    attrs = {Attr.EPOCHS: training.epochs, Attr.BEST_EPOCH: training.best_epoch}
    return _End(TrialState.COMPLETE, attrs, _objectives(problem, training))


def _objectives(problem: Problem, training: Training) -> list[float]:
    """The best validation NDCG@10, and the second objective if there is one."""
    match problem.second:
        case None:
            return [training.best_validation]
        case "seconds":
            return [training.best_validation, training.seconds]
        case "size":
            return [training.best_validation, float(sum(weight.numel() for weight in training.model.parameters()))]


def _failed(error: Exception) -> _End:
    reason = str(error) if isinstance(error, NCFError) else f"{type(error).__name__}: {error}"
    return _End(TrialState.FAIL, {Attr.REASON: reason[:LONGEST_REASON]})


def _close(handle: StudyHandle, task: Task, end: _End, seconds: float) -> TrialOutcome:
    """Record the end, unless another worker has closed the trial as dead. Interrupted trials are queued again.

    The lock keeps other workers from using up the budget between the end of a trial and its return to the queue.
    """
    trial, storage = task.trial, handle.database.storage
    with handle.database.translated_errors(), FileLock(handle.database.lock):
        try:
            for key, value in {**end.attrs, Attr.ENDED: time.time(), Attr.SECONDS: seconds}.items():
                trial.set_user_attr(key, value)
            handle.study.tell(trial, end.values, end.state)
        except (UpdateFinishedTrialError, ValueError):
            if not storage.get_trial(trial._trial_id).state.is_finished():
                raise
        requeue(handle)
        return outcome_of(storage.get_trial(trial._trial_id), handle.problem.space)
