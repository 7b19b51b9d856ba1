"""Tasks: open a model's study with its MLflow run, and search until its budget is used up."""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from prefect.logging import get_run_logger

from flows.orchestration.artifacts import Progress, artifact_key
from flows.orchestration.locks import global_lock
from flows.orchestration.tasks import task
from flows.tracking import TUNING
from flows.tracking.tracker import Tracker
from flows.tune.settings import TuneSettings
from flows.tune.studies import study_name, study_url
from flows.tune.trials import Job
from flows.tune.workers import LOOK_SECONDS, WorkerError, run_workers
from ncf.config import flatten
from ncf.errors import NCFError
from tuning.config import BudgetConfig
from tuning.problem import Problem, State
from tuning.study import StudyHandle, open_study
from tuning.summary import StudySummary, summarize
from tuning.work import unfinished, work_left

TOKEN = "ncf.run_key"  # attribute of a study, by which its MLflow run is found
LOCK_SECONDS = 24 * 3600.0  # for another process that may be confirming, which trains six models
MAX_FAILED_ROUNDS = 3  # rounds without any worker that ended well
Logger: TypeAlias = logging.Logger | logging.LoggerAdapter[logging.Logger]
COUNTED: tuple[State, ...] = ("complete", "pruned", "failed")  # an interrupted trial is run again


@dataclass(frozen=True)
class Search:
    """A model's open study and its MLflow run."""

    handle: StudyHandle
    job: Job

    @property
    def run_id(self) -> str:
        """MLflow run of the tuning."""
        return self.job.parent_id

    @property
    def problem(self) -> Problem:
        """The search problem."""
        return self.job.problem

    @property
    def lock(self) -> str:
        """Name of the lock for opening and finishing the search."""
        return lock_of(self.job.dataset, self.problem)


def lock_of(dataset: str, problem: Problem) -> str:
    """Name of the lock that all tunings of a model on a data set share."""
    return f"ncf-tune-{dataset}-{problem.model}"


@task("open study", "open study of {problem.model}")
def open_search(tracker: Tracker, settings: TuneSettings, problem: Problem) -> Search:
    """Open the study and its MLflow run; one process creates them if they don't exist."""
    name, url = study_name(settings, problem), study_url(settings)
    with global_lock(lock_of(settings.dataset, problem), LOCK_SECONDS):
        handle = open_study(url, name, problem, settings.sampler, settings.pruner, settings.storage)
        run_id = get_or_create_run(tracker, settings, handle)
    get_run_logger().info("study %s in %s, MLflow run %s", name, handle.database.location, run_id)
    job = Job(
        url=url,
        study=name,
        problem=problem,
        sampler=settings.sampler,
        pruner=settings.pruner,
        storage=settings.storage,
        budget=settings.budget,
        dataset=settings.dataset,
        parent_id=run_id,
    )
    return Search(handle, job)


def get_or_create_run(tracker: Tracker, settings: TuneSettings, handle: StudyHandle) -> str:
    """The MLflow run of a study. Call it with the study's lock."""
    key = handle.study.user_attrs.get(TOKEN)
    if key is None:
        key = uuid.uuid4().hex  # a study that replaces a lost one has another key
        handle.study.set_user_attr(TOKEN, key)
    found = tracker.newest_run(key)
    if found is not None:
        return str(found.info.run_id)
    problem = handle.problem
    searched = {name: range_.model_dump(mode="json") for name, range_ in problem.space.items()}
    about = {
        **{"model": problem.model, "study": handle.name, "storage": handle.database.location, "seed": problem.seed},
        **{"second": problem.second, "source": settings.log_source.model_dump(mode="json")},
        **{"data": settings.data.model_dump(mode="json"), "first": problem.recipe.model_dump(mode="json")},
        **{part: getattr(settings, part).model_dump(mode="json") for part in ("sampler", "pruner")},
    }
    ranges = {f"space.{name}": range_ for name, range_ in searched.items()}
    title = f"tune {problem.model}"
    return tracker.start_retraining(key, flatten(about) | ranges, problem.data, {TUNING: problem.model}, title)


@task("search", "search settings of {search.problem.model}")
def run_search(tracker: Tracker, search: Search, workers: int) -> bool:
    """Run trials until the budget of the study is used up and no process runs a trial any more.

    Returns:
        Whether this call ran any trial.

    Raises:
        WorkerError: the trials or the workers fail.
    """
    handle, logger = search.handle, get_run_logger()
    before = ended_trials(summarize(handle))
    if is_over(search):
        logger.info("the budget of %s is used up: no trial is run", handle.name)
        return False
    key = artifact_key(search.job.dataset, search.problem.model, "search")
    model, budget = search.problem.model, search.job.budget
    with running(tracker, search), Progress(key, f"{model}: the search starts", terminal="text") as artifact:
        progress = SearchProgress(model, budget, artifact, logger)
        failed_rounds = 0
        while not is_over(search):
            if failed_rounds == MAX_FAILED_ROUNDS:
                raise WorkerError(
                    "all worker processes died", do="see the warnings above; the same command continues the search"
                )
            ended_well = run_workers(search.job, workers, lambda: progress.show(summarize(handle)), logger.warning)
            failed_rounds = 0 if ended_well else failed_rounds + 1
            wait_for_others(search, progress)
    return ended_trials(summarize(handle)) > before


def is_over(search: Search) -> bool:
    """Whether the budget is used up, and no trial runs anywhere."""
    return not work_left(search.handle, search.job.budget) and not unfinished(search.handle)


def wait_for_others(search: Search, progress: "SearchProgress") -> None:
    """Wait while other processes run trials and no work is left for this one."""
    is_logged = False
    while unfinished(search.handle) and not work_left(search.handle, search.job.budget):
        if not is_logged:
            get_run_logger().info("waiting for trials that other processes run")
            is_logged = True
        time.sleep(LOOK_SECONDS)
        progress.show(summarize(search.handle))


@contextmanager
def running(tracker: Tracker, search: Search) -> Iterator[None]:
    """Mark the MLflow run as running; as interrupted after an error, if no other process continues the search."""
    tracker.resume(search.run_id)
    try:
        yield
    except BaseException as error:
        with suppress(NCFError):  # a database that has failed: the error itself is raised
            if not unfinished(search.handle):
                tracker.client.set_terminated(search.run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def ended_trials(summary: StudySummary) -> int:
    """Number of trials that are over, without interrupted ones, which are run again."""
    return sum(summary.states.get(state, 0) for state in COUNTED)


def used_up(summary: StudySummary, budget: BudgetConfig) -> bool:
    """Whether the budget allows no further trial."""
    if budget.minutes is not None and summary.minutes >= budget.minutes:
        return True
    return not summary.waiting and ended_trials(summary) + summary.running >= budget.trials


def share_done(summary: StudySummary, budget: BudgetConfig) -> float:
    """The used share of the budget, from 0 to 1: of the trials or of the minutes, whichever is larger."""
    by_minutes = summary.minutes / budget.minutes if budget.minutes else 0.0
    return min(1.0, max(ended_trials(summary) / budget.trials, by_minutes))


def minutes_left(summary: StudySummary, budget: BudgetConfig) -> float | None:
    """Minutes until the budget is used up at the present pace; None while no trial has ended."""
    ended = ended_trials(summary)
    left = [] if budget.minutes is None else [budget.minutes - summary.minutes]
    if ended:
        left.append((budget.trials - ended) * summary.minutes / ended)
    return max(0.0, min(left)) if left else None


def describe(model: str, summary: StudySummary, budget: BudgetConfig) -> str:
    """One line: trials by state, the best and the default score so far, and the time left."""
    states = ", ".join(f"{summary.states[state]} {state}" for state in COUNTED if summary.states.get(state))
    parts = [f"{model}: {ended_trials(summary)} of {budget.trials} trials" + (f" ({states})" if states else "")]
    if summary.best is not None:
        first = summary.default.score if summary.default else None
        beside = f", default {first:.4f}" if first is not None else ""
        parts.append(f"best NDCG@10 {summary.best.score:.4f} (trial {summary.best.number}{beside})")
    left = minutes_left(summary, budget)
    if left is not None and not used_up(summary, budget):
        parts.append(f"{left:.0f} min left" if left >= 1 else "less than a minute left")
    return ", ".join(parts)


class SearchProgress:
    """Shows the progress of a search, and logs each new best trial.

    Args:
        model: the model's name.
        budget: of the study.
        progress: in Prefect and on the terminal.
        logger: of the run.
    """

    def __init__(self, model: str, budget: BudgetConfig, progress: Progress, logger: Logger) -> None:
        self.model, self.budget, self.progress, self.logger, self.best = model, budget, progress, logger, -1

    def show(self, summary: StudySummary) -> None:
        """Show the state of the study."""
        text = describe(self.model, summary, self.budget)
        self.progress.update(share_done(summary, self.budget), text)
        if summary.best is not None and summary.best.number != self.best:
            self.best = summary.best.number
            self.logger.info(text)
