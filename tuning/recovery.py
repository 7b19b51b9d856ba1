"""Signs of life: which process runs a trial, and when it was last heard of."""

import logging
import platform
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import DateTime, Integer, column, func, select, table

from tuning.observer import TrialOutcome
from tuning.ranges import Value, grid
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
    from_params,
    outcome_of,
    to_params,
)
from tuning.study import StudyHandle

logger = logging.getLogger(__name__)

MACHINE, PID, BORN = "machine", "pid", "born"
BIRTHS_APART = 5.0  # seconds; the kernel's clock for births may be set meanwhile

HEARTBEATS = table("trial_heartbeats", column("trial_id", Integer), column("heartbeat", DateTime))


def this_process() -> dict[str, Any]:
    """What tells this process from any other, as JSON values."""
    process = psutil.Process()
    return {MACHINE: _machine(), PID: process.pid, BORN: process.create_time()}


def is_gone(facts: Mapping[str, Any]) -> bool:
    """Whether a process was one of this machine and is no more; False where that can't be known from here."""
    if facts.get(MACHINE) != _machine():
        return False
    try:
        process = psutil.Process(facts[PID])
        other = abs(process.create_time() - facts[BORN]) > BIRTHS_APART
        return bool(other or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except (KeyError, psutil.Error):
        return False


@contextmanager
def beating(storage: RDBStorage, trial_id: int, seconds: int) -> Iterator[None]:
    """Give a sign of life of a trial now and then. A database that does not answer for a while is no reason to stop."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(seconds):
            try:
                storage.record_heartbeat(trial_id)
            except Exception as error:  # whatever it is: a missed sign of life must not end the training
                logger.warning("no sign of life could be given: %s", type(error).__name__)
        storage.remove_session()  # of this thread

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def seconds_since_heartbeat(storage: RDBStorage, trial_ids: Collection[int]) -> dict[int, float]:
    """Seconds since each trial's last sign of life, by the database's own clock; a trial without any is not there."""
    wanted = select(HEARTBEATS.c.trial_id, HEARTBEATS.c.heartbeat, func.now())
    with storage.engine.connect() as connection:
        rows = connection.execute(wanted.where(HEARTBEATS.c.trial_id.in_(trial_ids))).all()
    return {trial_id: (now.replace(tzinfo=None) - beat).total_seconds() for trial_id, beat, now in rows}


@cache
def _machine() -> str:
    """This machine since its start, and the container on it."""
    parts = [platform.node()]
    boot, container = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists() and container.exists():
        parts += [boot.read_text(encoding="ascii").strip(), str(container.readlink())]
    return " ".join(parts)


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
