"""Tasks: open a model's study with its MLflow run, and search until its budget is used up."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from prefect.logging import get_run_logger

from flows.orchestration.artifacts import Progress, artifact_key
from flows.orchestration.locks import global_lock
from flows.orchestration.tasks import task
from flows.tracking.tracking import TUNING, Tracker
from flows.tune.report import SearchProgress, ended_trials
from flows.tune.settings import TuneSettings
from flows.tune.studies import study_name, study_url
from flows.tune.trials import Job
from flows.tune.workers import LOOK_SECONDS, WorkerError, run_workers
from ncf.content import flatten
from ncf.errors import NCFError
from tuning.problem import Problem
from tuning.study import StudyHandle, open_study
from tuning.summary import summarize
from tuning.work import unfinished, work_left

TOKEN = "ncf.run_key"  # attribute of a study: what its MLflow run is found by
LOCK_SECONDS = 24 * 3600.0  # to wait for another process, which may be concluding: it trains six models then
LONELY_ROUNDS = 3  # in which no worker came to its end


@dataclass(frozen=True)
class Search:
    """A model's open study and the MLflow run that it is kept in."""

    handle: StudyHandle
    job: Job

    @property
    def run_id(self) -> str:
        """MLflow run of the tuning."""
        return self.job.parent_id

    @property
    def problem(self) -> Problem:
        """What is searched."""
        return self.job.problem

    @property
    def lock(self) -> str:
        """Name of the lock around its beginning and its end."""
        return lock_of(self.job.dataset, self.problem)


def lock_of(dataset: str, problem: Problem) -> str:
    """Name of the lock that all who tune a model on a data set share."""
    return f"ncf-tune-{dataset}-{problem.model}"


@task("open study", "open study of {problem.model}")
def open_search(tracker: Tracker, settings: TuneSettings, problem: Problem) -> Search:
    """Open the study and its MLflow run, or make them; of several processes at once, one makes them."""
    name, url = study_name(settings, problem), study_url(settings)
    with global_lock(lock_of(settings.dataset, problem), LOCK_SECONDS):
        handle = open_study(url, name, problem, settings.sampler, settings.pruner, settings.storage)
        run_id = find_run(tracker, settings, handle)
    get_run_logger().info("study %s in %s, MLflow run %s", name, handle.location, run_id)
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


def find_run(tracker: Tracker, settings: TuneSettings, handle: StudyHandle) -> str:
    """The MLflow run of a study; to be called under its lock."""
    key = handle.study.user_attrs.get(TOKEN)
    if key is None:
        key = uuid.uuid4().hex  # of this very study: one that is made anew after its database was lost has another
        handle.study.set_user_attr(TOKEN, key)
    found = tracker.newest_retraining(key)
    if found is not None:
        return str(found.info.run_id)
    problem = handle.problem
    searched = {name: range_.model_dump(mode="json") for name, range_ in problem.space.items()}
    about = {
        **{"model": problem.model, "study": handle.name, "storage": handle.location, "seed": problem.seed},
        **{"second": problem.second, "source": settings.log_source.model_dump(mode="json")},
        **{"data": settings.data.model_dump(mode="json"), "first": problem.recipe.model_dump(mode="json")},
        **{part: getattr(settings, part).model_dump(mode="json") for part in ("sampler", "pruner")},
    }
    ranges = {f"space.{name}": range_ for name, range_ in searched.items()}
    title = f"tune {problem.model}"
    return tracker.start_retraining(key, flatten(about) | ranges, problem.data, {TUNING: problem.model}, title)


@task("search", "search settings of {search.problem.model}")
def run_search(tracker: Tracker, search: Search, workers: int) -> bool:
    """Try settings until the budget of the study is used up, and no process runs a trial any more.

    Returns:
        Whether any trial was run.

    Raises:
        WorkerError: the trials or the workers fail.
    """
    handle, logger = search.handle, get_run_logger()
    before = ended_trials(summarize(handle))
    if is_over(search):
        logger.info("nothing is left to do in %s: no trial is run", handle.name)
        return False
    key = artifact_key(search.job.dataset, search.problem.model, "search")
    model, budget = search.problem.model, search.job.budget
    with running(tracker, search), Progress(key, f"{model}: the search begins", terminal="text") as progress:
        shown = SearchProgress(model, budget, progress, logger)
        lonely = 0
        while not is_over(search):
            if lonely == LONELY_ROUNDS:
                raise WorkerError("all worker processes died", do="see the warnings above; the same command goes on")
            ended_well = run_workers(search.job, workers, lambda: shown.show(summarize(handle)), logger.warning)
            lonely = 0 if ended_well else lonely + 1
            wait_for_others(search, shown)
    return ended_trials(summarize(handle)) > before


def is_over(search: Search) -> bool:
    """Whether the budget is used up, and no trial runs anywhere."""
    return not work_left(search.handle, search.job.budget) and not unfinished(search.handle)


def wait_for_others(search: Search, shown: SearchProgress) -> None:
    """Wait as long as other processes run trials and there is nothing that a worker of this one could do."""
    told = False
    while unfinished(search.handle) and not work_left(search.handle, search.job.budget):
        if not told:
            get_run_logger().info("waiting for trials that other processes run")
            told = True
        time.sleep(LOOK_SECONDS)
        shown.show(summarize(search.handle))


@contextmanager
def running(tracker: Tracker, search: Search) -> Iterator[None]:
    """Mark the MLflow run as going on; if this process ends before the search and no other goes on, as interrupted."""
    tracker.resume_retraining(search.run_id)
    try:
        yield
    except BaseException as error:
        with suppress(NCFError):  # of a database that has failed: the error itself is told
            if not unfinished(search.handle):
                tracker.client.set_terminated(search.run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
