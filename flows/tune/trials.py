"""What a worker process does: the trials of one study, each kept as a nested MLflow run of the tuning."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mlflow.exceptions import MlflowException
from pytorch_lightning.loggers import Logger, MLFlowLogger
from typing_extensions import override

from flows.tracking import BEST_EPOCH, BEST_VALIDATION, EPOCHS, FINGERPRINT, MODEL, SECONDS
from flows.tracking.store import global_store
from flows.tracking.tracker import Tracker
from ncf.config import Recipe, flatten
from ncf.errors import NCFError
from ncf.training.module import monitored
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig, StorageConfig
from tuning.problem import Observer, Problem, State, TrialOutcome, TrialStart
from tuning.ranges import Value
from tuning.space import with_values
from tuning.study import open_study
from tuning.summary import summarize
from tuning.work import run_trials

TRIAL, STATE, REASON, RETRY_OF = "ncf.trial", "ncf.state", "ncf.reason", "ncf.retry_of"
STATUS: Mapping[State, str] = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
MAX_TAG = 5000  # characters that every MLflow store takes


@dataclass(frozen=True)
class Job:
    """What one worker is asked to do.

    Attributes:
        url: of the database, with its password.
        study: its name.
        problem: what is searched.
        sampler, pruner, storage, budget: how, and for how long.
        dataset: name of the data set, and of the MLflow experiment.
        parent_id: MLflow run of the tuning.
    """

    url: str = field(repr=False)
    study: str
    problem: Problem
    sampler: SamplerConfig
    pruner: PrunerConfig
    storage: StorageConfig
    budget: BudgetConfig
    dataset: str
    parent_id: str


def work(job: Job) -> None:
    """Run trials until the budget of the study is used up.

    Raises:
        NCFError: the study can't be used, or its first trials all fail.
    """
    tracker = Tracker(job.dataset)
    handle = open_study(job.url, job.study, job.problem, job.sampler, job.pruner, job.storage)
    runs = TrialRuns(tracker, job.parent_id, job.problem)
    with global_store(tracker.uri):
        try:
            run_trials(handle, job.budget, runs)
        except BaseException:  # Ctrl-C, say: the study has queued the running trial again, and its run is to say so
            with suppress(NCFError, MlflowException):
                runs.repair(summarize(handle).outcomes)
            raise


class PatientLogger(MLFlowLogger):
    """Lightning's logger, but MLflow's failure must not count as the trial's: it is kept for `TrialRuns.ended`."""

    failure: MlflowException | None = None

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        try:
            super().log_metrics(metrics, step)
        except MlflowException as error:
            self.failure = error

    @override
    def finalize(self, status: str = "success") -> None:
        """Leave the run as it is: how the trial ended is known better by its study."""


class TrialRuns(Observer):
    """Keeps each trial as a nested run: its settings, its curve, and how it ended.

    Args:
        tracker: where to.
        parent_id: run of the tuning.
        problem: what is searched.
    """

    def __init__(self, tracker: Tracker, parent_id: str, problem: Problem) -> None:
        self.tracker = tracker
        self.parent_id = parent_id
        self.problem = problem
        self.logger: PatientLogger | None = None

    @override
    def started(self, trial: TrialStart) -> Sequence[Logger]:
        run_id = self._open(trial.number, trial.recipe, trial.retry_of)
        self.logger = PatientLogger(self.tracker.dataset, tracking_uri=self.tracker.uri, run_id=run_id)
        return [self.logger]

    @override
    def ended(self, outcome: TrialOutcome) -> None:
        if self.logger is not None and self.logger.failure is not None:
            raise self.logger.failure
        found = self.tracker.nested(self.parent_id, (TRIAL, str(outcome.number)))
        self._close(found[0].info.run_id if found else None, outcome)

    def repair(self, outcomes: Sequence[TrialOutcome]) -> None:
        """Write what processes that died could not write any more: every outcome has its run and its state."""
        runs = {run.data.tags[TRIAL]: run for run in self.tracker.nested(self.parent_id) if TRIAL in run.data.tags}
        for outcome in outcomes:
            run = runs.get(str(outcome.number))
            if run is None or run.data.tags.get(STATE) != outcome.state:
                self._close(run.info.run_id if run else None, outcome)

    def _open(self, number: int, recipe: Recipe, retry_of: int | None) -> str:
        tags = {TRIAL: str(number), MODEL: self.problem.model, FINGERPRINT: self.problem.data.fingerprint}
        again = {} if retry_of is None else {RETRY_OF: str(retry_of)}
        settings = flatten({"seed": self.problem.seed} | recipe.model_dump(mode="json"))
        return self.tracker.start_nested(self.parent_id, f"trial {number}", settings, tags | again)

    def _close(self, run_id: str | None, outcome: TrialOutcome) -> None:
        if run_id is None:
            if outcome.state == "interrupted":
                return  # its process died before it had anything to keep; another trial does its work
            run_id = self._open(outcome.number, self._recipe(outcome.values), outcome.retry_of)
        key = f"{BEST_VALIDATION}/{monitored(self.problem.recipe.training).partition('/')[2]}"
        figures: dict[str, Any] = {
            key: outcome.score,
            EPOCHS: outcome.epochs,
            BEST_EPOCH: outcome.best_epoch,
            SECONDS: outcome.seconds,
            "weights": outcome.second if self.problem.second == "size" else None,
        }
        self.tracker.log_metrics(run_id, {name: float(value) for name, value in figures.items() if value is not None})
        reason = {REASON: outcome.reason[:MAX_TAG]} if outcome.reason else {}
        self.tracker.end_nested(run_id, STATUS[outcome.state], {**reason, STATE: outcome.state})

    def _recipe(self, values: Mapping[str, Value]) -> Recipe:
        """The whole settings; if the model refuses the searched ones together, the first trial's."""
        try:
            return with_values(self.problem.recipe, values)
        except NCFError:
            return self.problem.recipe
