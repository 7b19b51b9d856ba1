"""A worker: runs one trial after the other until the budget of the study is used up."""

import time
from collections.abc import Sequence
from functools import cache

from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from ncf.errors import ModelError
from tuning.config import BudgetConfig
from tuning.parts import trained_parts
from tuning.problem import Observer
from tuning.records import Attr, duplicates, interval_of, minutes_used, suggest, trial_states
from tuning.recovery import dead_trials, next_grid_point, queue_base, queue_grid_point, recover, this_process
from tuning.study import StudyHandle
from tuning.trial import Task, run_trial

FAILURES = 3  # if the first trials all fail, so many of them, the cause is in the study


def run_trials(handle: StudyHandle, budget: BudgetConfig, observer: Observer | None = None) -> None:
    """Run trials until the study's budget is used up; any number of processes and machines may do so on one study.

    The first trial has the initial settings. Workers of one machine never exceed the budget. Workers of several
    machines can exceed it by one trial for each machine but the first, if they start trials at the same moment.

    A trial whose process died is queued again with the same values, until processes died 3 times over it. Workers look
    for such trials at their start, before each trial and at their end; they find them at once on the same machine, and
    after `grace_seconds` without a heartbeat on another one. Ctrl-C queues the running trial again at once. A failed
    trial is recorded with its reason, and the study goes on.

    Raises:
        ModelError: the first 3 trials, or all trials of a smaller budget, failed; the message has the reason.
        StudyError: the database failed. When it works again, the same call continues the study.
    """
    observer = observer or Observer()
    parts = cache(lambda: trained_parts(handle.problem, handle.problem.seed))
    while (task := _next(handle, budget, observer)) is not None:
        outcome = run_trial(handle, task, parts, observer)
        observer.ended(outcome)
        if outcome.state == "failed":
            _refuse_all_failing(handle, budget)
    _refuse_all_failing(handle, budget)


def unfinished(handle: StudyHandle) -> bool:
    """Whether trials are running, or were when their process died. For queued trials, see `work_left`.

    Raises:
        StudyError: the database failed.
    """
    with handle.database.translated_errors():
        return "running" in trial_states(_trials(handle)).values()


def work_left(handle: StudyHandle, budget: BudgetConfig) -> bool:
    """Whether a new worker would have something to do: there is budget left, a queued trial, or a dead one.

    A search is over when there is no work left and nothing is unfinished.

    Raises:
        StudyError: the database failed.
    """
    with handle.database.translated_errors():
        trials = _trials(handle)
        if _is_out_of_time(trials, budget):
            return False
        if "waiting" in trial_states(trials).values() or not trials or dead_trials(handle):
            return True
        return _has_room(trials, budget) and (handle.sampler.kind != "grid" or next_grid_point(handle) is not None)


def _next(handle: StudyHandle, budget: BudgetConfig, observer: Observer) -> Task | None:
    """The next trial of this worker; None if the budget is used up. Dead trials are reported to the observer."""
    task: Task | None = None
    with handle.database.translated_errors(), FileLock(handle.database.lock):
        dead = recover(handle)
        queue_base(handle)
        while task is None and _has_room(_trials(handle), budget) and _has_values(handle):
            task = _start(handle)
    for outcome in dead:
        observer.ended(outcome)
    return task


def _has_values(handle: StudyHandle) -> bool:
    """Whether there are values to try; a grid has an end."""
    waiting = "waiting" in trial_states(_trials(handle)).values()
    return handle.sampler.kind != "grid" or waiting or queue_grid_point(handle)


def _start(handle: StudyHandle) -> Task | None:
    """Start a trial and choose its values; None if it is a duplicate, which is closed."""
    trial, storage = handle.study.ask(), handle.database.storage
    for key, value in {**this_process(), Attr.BEGAN: time.time()}.items():
        trial.set_user_attr(key, value)
    storage.record_heartbeat(trial._trial_id)
    copies = duplicates(_trials(handle))
    if trial.number in copies:
        trial.set_user_attr(Attr.REASON, "a duplicate: another machine queued the same trial at the same time")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return None
    return Task(trial, suggest(trial, handle.problem.space), trial.user_attrs.get(Attr.RETRY_OF))


def _has_room(trials: Sequence[FrozenTrial], budget: BudgetConfig) -> bool:
    """Whether the budget allows another trial. Queued trials are part of the budget already."""
    states = [state for state in trial_states(trials).values() if state not in ("interrupted", "duplicate")]
    started = len(states) - states.count("waiting")
    return not _is_out_of_time(trials, budget) and ("waiting" in states or started < budget.trials)


def _is_out_of_time(trials: Sequence[FrozenTrial], budget: BudgetConfig) -> bool:
    used = minutes_used(filter(None, map(interval_of, trials)))
    return budget.minutes is not None and used >= budget.minutes


def _refuse_all_failing(handle: StudyHandle, budget: BudgetConfig) -> None:
    with handle.database.translated_errors():
        trials = _trials(handle)
    states = trial_states(trials)
    failed = [trial for trial in trials if states[trial.number] == "failed"]
    if {"complete", "pruned"} & set(states.values()) or len(failed) < min(FAILURES, budget.trials):
        return
    raise ModelError(
        f"all of the first {len(failed)} trials of the study {handle.name} failed; the reason of the last one",
        got=failed[-1].user_attrs[Attr.REASON],
        do="remove the cause; to change the search space or a setting, also choose another name for the study",
    )


def _trials(handle: StudyHandle) -> list[FrozenTrial]:
    return handle.study.get_trials(deepcopy=False)
