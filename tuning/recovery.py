"""Trials whose process died, or that were interrupted, are queued again; none is lost, and none is run twice.

Every step leaves a state from which any worker goes on: a dead trial is first closed without a reason, and a trial
closed without a reason that no other follows is queued again, by whoever comes by. Two machines may do that at once;
then the later of the two trials is a duplicate, and is not run.
"""

import time
from collections.abc import Sequence

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tuning.grid import grid
from tuning.observer import TrialOutcome
from tuning.process import is_gone, seconds_since_heartbeat
from tuning.ranges import Value
from tuning.records import (
    BASE,
    BEGAN,
    DEATHS,
    ENDED,
    FOLLOWS,
    INTERRUPTED,
    QUEUED,
    REASON,
    RETRY_OF,
    SECONDS,
    duplicates,
    outcome_of,
)
from tuning.study import StudyHandle
from tuning.suggest import from_params, to_params

MOST_DEATHS = 3


def recover(handle: StudyHandle) -> list[TrialOutcome]:
    """Close the dead trials and queue what has to be run again. Returns the outcomes of the dead."""
    dead = [outcome for trial, silent in dead_trials(handle) if (outcome := _close_dead(handle, trial, silent))]
    requeue(handle)
    return dead


def requeue(handle: StudyHandle) -> None:
    """Queue every interrupted trial again that no other follows yet, with the values it had."""
    for trial in lost(handle.study.get_trials(deepcopy=False)):
        attrs = trial.user_attrs
        handle.study.enqueue_trial(
            {**trial.system_attrs.get("fixed_params", {}), **trial.params},
            user_attrs={
                QUEUED: f"again {trial.number}",
                FOLLOWS: trial.number,
                RETRY_OF: attrs.get(RETRY_OF, trial.number),
                DEATHS: deaths_of(trial),
            },
        )


def lost(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that were closed without a reason and that no other trial follows."""
    followed = {trial.user_attrs.get(FOLLOWS) for trial in trials} | duplicates(trials)
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL and REASON not in trial.user_attrs and trial.number not in followed
    ]


def deaths_of(trial: FrozenTrial) -> int:
    """How often a process died over what this trial does, this trial included, if it was not stopped on purpose."""
    return int(trial.user_attrs.get(DEATHS, 0)) + (INTERRUPTED not in trial.user_attrs)


def queue_base(handle: StudyHandle) -> None:
    """Queue the settings that the search begins with, if they are not there yet."""
    if all(trial.user_attrs.get(QUEUED) != BASE for trial in handle.study.get_trials(deepcopy=False)):
        problem = handle.problem
        handle.study.enqueue_trial(to_params(problem.base_values(), problem.space), user_attrs={QUEUED: BASE})


def next_grid_point(handle: StudyHandle) -> tuple[int, dict[str, Value]] | None:
    """Place and values of the next point of the grid that no trial has or had; None after the last."""
    space = handle.problem.space
    trials = handle.study.get_trials(deepcopy=False)
    taken = [from_params(trial.system_attrs.get("fixed_params", trial.params), space) for trial in trials]
    points = enumerate(grid(space, handle.sampler.grid_points))
    return next(((place, values) for place, values in points if values not in taken), None)


def queue_grid_point(handle: StudyHandle) -> bool:
    """Queue the next point of the grid. Returns whether there was one."""
    found = next_grid_point(handle)
    if found is not None:
        place, values = found
        handle.study.enqueue_trial(to_params(values, handle.problem.space), user_attrs={QUEUED: f"grid {place}"})
    return found is not None


def dead_trials(handle: StudyHandle) -> list[tuple[FrozenTrial, float]]:
    """The running trials whose process is dead, each with the seconds since its last sign of life."""
    storage = handle.database.storage
    running = handle.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    silent = seconds_since_heartbeat(storage, [trial._trial_id for trial in running]) if running else {}
    dead = []
    for trial in running:
        if trial._trial_id not in silent:  # killed, or not yet there, before the first: the grace begins now
            storage.record_heartbeat(trial._trial_id)
        seconds = silent.get(trial._trial_id, 0.0)
        if is_gone(trial.user_attrs) or seconds > handle.config.grace_seconds:
            dead.append((trial, seconds))
    return dead


def _close_dead(handle: StudyHandle, trial: FrozenTrial, silent: float) -> TrialOutcome | None:
    """Close one; None if another worker did."""
    storage, ended = handle.database.storage, time.time() - silent
    try:
        storage.set_trial_user_attr(trial._trial_id, ENDED, ended)
        storage.set_trial_user_attr(trial._trial_id, SECONDS, max(0.0, ended - trial.user_attrs.get(BEGAN, ended)))
        if deaths_of(trial) >= MOST_DEATHS:
            storage.set_trial_user_attr(trial._trial_id, REASON, f"its process died {MOST_DEATHS} times")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return None
    return outcome_of(storage.get_trial(trial._trial_id), handle.problem.space)
