"""A worker: takes one trial after the other until the study's budget is used up."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from filelock import FileLock
from optuna import Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ncf.errors import ConfigError, ModelError, NCFError
from tuning.config import BudgetConfig
from tuning.database import StudyError
from tuning.objective import Reporter, train, values_to_tell
from tuning.observer import Observer, Silent, TrialOutcome, TrialStart
from tuning.parts import Parts, trained_parts
from tuning.problem import Problem
from tuning.ranges import Value
from tuning.records import (
    BEGAN,
    BEST_EPOCH,
    ENDED,
    EPOCHS,
    INTERRUPTED,
    REASON,
    RETRY_OF,
    SECONDS,
    duplicates,
    interval_of,
    minutes_used,
    outcome_of,
    places,
    suggest,
)
from tuning.recovery import (
    beating,
    dead_trials,
    next_grid_point,
    queue_base,
    queue_grid_point,
    recover,
    requeue,
    this_process,
)
from tuning.space import with_values
from tuning.study import StudyHandle

FAILURES = 3  # as many at the beginning, and nothing else: then something is wrong with all of them
LONGEST_REASON = 1000


@dataclass(frozen=True)
class _Task:
    """A trial of this worker, with the values it has."""

    trial: Trial
    values: dict[str, Value]
    retry_of: int | None


@dataclass(frozen=True)
class _End:
    """How a trial ended: Optuna's state, what is noted about it, and the values of the objectives."""

    state: TrialState
    facts: Mapping[str, Any]
    values: list[float] | None = None


def run_trials(handle: StudyHandle, budget: BudgetConfig, observer: Observer | None = None) -> None:
    """Run trials until the budget is used up; any number of processes and machines may do so on one study.

    The settings that the search began with are the first trial. Workers of one machine never start more than the
    budget; workers of several machines may start at most one more for each machine but the first, if they ask in the
    same moment.

    A trial whose process died is queued again with the same values, until it has died 3 times. It is found at the
    beginning, before each trial and at the end: at once if the process was of this machine, else when it has given no
    sign of life for `grace_seconds`. Ctrl-C queues the running trial again at once. A trial that fails is recorded
    with its reason, and the study goes on.

    Args:
        handle: the open study.
        budget: of the whole study, not of this worker.
        observer: is told of this worker's trials.

    Raises:
        ModelError: the first 3 trials (or all of a smaller budget) failed; the message has the reason.
        StudyError: the database failed. The same call goes on once it works again.
    """
    observer = observer or Silent()
    parts = cache(lambda: trained_parts(handle.problem, handle.problem.seed))
    while (task := _next(handle, budget, observer)) is not None:
        outcome = _run(handle, task, parts, observer)
        observer.ended(outcome)
        if outcome.state == "failed":
            _refuse_all_failing(handle, budget)
    _refuse_all_failing(handle, budget)


def unfinished(handle: StudyHandle) -> bool:
    """Whether trials run, or did until their process died. What waits in the queue is `work_left`'s matter.

    Raises:
        StudyError: the database failed.
    """
    with handle.database.told():
        return "running" in places(_trials(handle)).values()


def work_left(handle: StudyHandle, budget: BudgetConfig) -> bool:
    """Whether a worker that starts now would find something to do: room in the budget, a queue, or a dead trial.

    A search is over when there is neither work left nor anything unfinished.

    Raises:
        StudyError: the database failed.
    """
    with handle.database.told():
        trials = _trials(handle)
        if _is_late(trials, budget):
            return False
        if "waiting" in places(trials).values() or not trials or dead_trials(handle):
            return True
        return _has_room(trials, budget) and (handle.sampler.kind != "grid" or next_grid_point(handle) is not None)


def _next(handle: StudyHandle, budget: BudgetConfig, observer: Observer) -> _Task | None:
    """The next trial of this worker; None if the budget is used up. The dead are told to the observer."""
    task: _Task | None = None
    with handle.database.told(), FileLock(handle.database.lock):
        dead = recover(handle)
        queue_base(handle)
        while task is None and _has_room(_trials(handle), budget) and _something_to_ask(handle):
            task = _ask(handle)
    for outcome in dead:
        observer.ended(outcome)
    return task


def _something_to_ask(handle: StudyHandle) -> bool:
    """Whether there is anything to try; a grid comes to an end."""
    waiting = "waiting" in places(_trials(handle)).values()
    return handle.sampler.kind != "grid" or waiting or queue_grid_point(handle)


def _ask(handle: StudyHandle) -> _Task | None:
    """Take a trial and choose its values; None if it is a duplicate, which is closed."""
    trial, storage = handle.study.ask(), handle.database.storage
    for key, value in {**this_process(), BEGAN: time.time()}.items():
        trial.set_user_attr(key, value)
    storage.record_heartbeat(trial._trial_id)
    copies = duplicates(_trials(handle))
    if trial.number in copies:
        trial.set_user_attr(REASON, "another machine queued the same at the same time")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return None
    return _Task(trial, suggest(trial, handle.problem.space), trial.user_attrs.get(RETRY_OF))


def _run(handle: StudyHandle, task: _Task, parts: Callable[[], Parts | None], observer: Observer) -> TrialOutcome:
    """Train, and note what came of it. What is no fault of the trial's settings queues it again, and is raised."""
    began = time.perf_counter()
    reporter = Reporter(task.trial, handle.database, reports=handle.problem.second is None)
    try:
        with beating(handle.database.storage, task.trial._trial_id, handle.config.heartbeat_seconds):
            end = _train(handle.problem, task, parts(), observer, reporter)
    except StudyError:
        raise  # nothing can be noted now; the trial is found when the database works again
    except UpdateFinishedTrialError:  # it was given up for dead, so another trial does its work
        end = _End(TrialState.FAIL, {})
    except BaseException:  # Ctrl-C and its like, or the observer's error
        _close(handle, task, _End(TrialState.FAIL, {INTERRUPTED: True}), reporter, time.perf_counter() - began)
        raise
    return _close(handle, task, end, reporter, time.perf_counter() - began)


def _train(problem: Problem, task: _Task, parts: Parts | None, observer: Observer, reporter: Reporter) -> _End:
    """Errors of the training are the trial's end; those of the observer are not, and are raised."""
    try:
        recipe = with_values(problem.recipe, task.values)
    except ConfigError as error:
        return _failed(error)
    number = task.trial.number
    loggers = observer.started(TrialStart(number, recipe, task.values, task.retry_of))
    try:
        training = train(problem, recipe, parts, f"trial {number}", loggers, reporter)
    except TrialPruned:
        return _End(TrialState.PRUNED, {EPOCHS: len(reporter.curve), BEST_EPOCH: reporter.best_epoch()})
    except (StudyError, UpdateFinishedTrialError):
        raise
    except Exception as error:  # whatever it is, the study goes on without this trial
        return _failed(error)
    facts = {EPOCHS: training.epochs, BEST_EPOCH: training.best_epoch}
    return _End(TrialState.COMPLETE, facts, values_to_tell(problem, training))


def _failed(error: Exception) -> _End:
    known = str(error) if isinstance(error, NCFError) else f"{type(error).__name__}: {error}"
    return _End(TrialState.FAIL, {REASON: known[:LONGEST_REASON]})


def _close(handle: StudyHandle, task: _Task, end: _End, reporter: Reporter, seconds: float) -> TrialOutcome:
    """Note the end; a trial that another worker has closed as dead stays as it is. Interrupted ones are queued again.

    The lock keeps other workers from taking the place of a trial between its end and its return to the queue.
    """
    trial, storage = task.trial, handle.database.storage
    with handle.database.told(), FileLock(handle.database.lock):
        try:
            for key, value in {**end.facts, ENDED: time.time(), SECONDS: seconds}.items():
                trial.set_user_attr(key, value)
            handle.study.tell(trial, end.values, end.state)
        except (UpdateFinishedTrialError, ValueError):
            if not storage.get_trial(trial._trial_id).state.is_finished():
                raise
        requeue(handle)
        return outcome_of(storage.get_trial(trial._trial_id), handle.problem.space)


def _has_room(trials: Sequence[FrozenTrial], budget: BudgetConfig) -> bool:
    """Whether another trial may begin. What waits has its place in the budget already."""
    found = [place for place in places(trials).values() if place not in ("interrupted", "duplicate")]
    started = len(found) - found.count("waiting")
    return not _is_late(trials, budget) and ("waiting" in found or started < budget.trials)


def _is_late(trials: Sequence[FrozenTrial], budget: BudgetConfig) -> bool:
    used = minutes_used(filter(None, map(interval_of, trials)))
    return budget.minutes is not None and used >= budget.minutes


def _refuse_all_failing(handle: StudyHandle, budget: BudgetConfig) -> None:
    with handle.database.told():
        trials = _trials(handle)
    states = places(trials)
    failed = [trial for trial in trials if states[trial.number] == "failed"]
    if {"complete", "pruned"} & set(states.values()) or len(failed) < min(FAILURES, budget.trials):
        return
    raise ModelError(
        f"all of the first {len(failed)} trials of the study {handle.name} failed, the last one for",
        got=failed[-1].user_attrs[REASON],
        do="remove the cause; if it is the search space or a setting, choose another name for the study as well",
    )


def _trials(handle: StudyHandle) -> list[FrozenTrial]:
    return handle.study.get_trials(deepcopy=False)
