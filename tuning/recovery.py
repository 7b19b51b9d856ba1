"""Dead trials: found by process and heartbeat, closed, and queued again."""

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

from tuning.problem import TrialOutcome
from tuning.ranges import Value, grid
from tuning.records import BASE, Attr, duplicates, from_params, outcome_of, to_params
from tuning.study import StudyHandle

logger = logging.getLogger(__name__)

MACHINE, PID, BORN = "machine", "pid", "born"
CLOCK_TOLERANCE = 5.0  # seconds; the clock may be set while a process runs

HEARTBEATS = table("trial_heartbeats", column("trial_id", Integer), column("heartbeat", DateTime))


def this_process() -> dict[str, Any]:
    """Identity of this process, as JSON values."""
    process = psutil.Process()
    return {MACHINE: _machine(), PID: process.pid, BORN: process.create_time()}


def has_ended(facts: Mapping[str, Any]) -> bool:
    """Whether a process of this machine has ended; False if this machine can't know."""
    if facts.get(MACHINE) != _machine():
        return False
    try:
        process = psutil.Process(facts[PID])
        other = abs(process.create_time() - facts[BORN]) > CLOCK_TOLERANCE
        return bool(other or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except (KeyError, psutil.Error):
        return False


@contextmanager
def heartbeats(storage: RDBStorage, trial_id: int, seconds: int) -> Iterator[None]:
    """Record heartbeats of a trial. A database that does not answer for a while does not stop the trial."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(seconds):
            try:
                storage.record_heartbeat(trial_id)
            except Exception as error:  # of any kind: a missed heartbeat must not end the training
                logger.warning("a heartbeat of the trial could not be recorded: %s", type(error).__name__)
        storage.remove_session()  # of this thread

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def seconds_since_heartbeat(storage: RDBStorage, trial_ids: Collection[int]) -> dict[int, float]:
    """Seconds since the last heartbeat of each trial that has one, by the clock of the database."""
    wanted = select(HEARTBEATS.c.trial_id, HEARTBEATS.c.heartbeat, func.now())
    with storage.engine.connect() as connection:
        rows = connection.execute(wanted.where(HEARTBEATS.c.trial_id.in_(trial_ids))).all()
    return {trial_id: (now.replace(tzinfo=None) - beat).total_seconds() for trial_id, beat, now in rows}


@cache
def _machine() -> str:
    """Identity of this machine since its boot, and of the container."""
    names = [platform.node()]
    boot, container = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists() and container.exists():
        names += [boot.read_text(encoding="ascii").strip(), str(container.readlink())]
    return " ".join(names)


MOST_DEATHS = 3


def recover(handle: StudyHandle) -> list[TrialOutcome]:
    """Close the dead trials, and queue again what they did. Returns their outcomes."""
    dead = [outcome for trial, silent in dead_trials(handle) if (outcome := _close_dead(handle, trial, silent))]
    requeue(handle)
    return dead


def requeue(handle: StudyHandle) -> None:
    """Queue every interrupted trial again, with its values, unless that was done already."""
    for trial in interrupted_trials(handle.study.get_trials(deepcopy=False)):
        attrs = trial.user_attrs
        handle.study.enqueue_trial(
            {**trial.system_attrs.get("fixed_params", {}), **trial.params},
            user_attrs={
                Attr.QUEUED: f"again {trial.number}",
                Attr.FOLLOWS: trial.number,
                Attr.RETRY_OF: attrs.get(Attr.RETRY_OF, trial.number),
                Attr.DEATHS: deaths_of(trial),
            },
        )


def interrupted_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that ended without a reason and were not queued again."""
    followed = {trial.user_attrs.get(Attr.FOLLOWS) for trial in trials} | duplicates(trials)
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL and Attr.REASON not in trial.user_attrs and trial.number not in followed
    ]


def deaths_of(trial: FrozenTrial) -> int:
    """How many processes died over this trial and those that it repeats; Ctrl-C does not count."""
    return int(trial.user_attrs.get(Attr.DEATHS, 0)) + (Attr.INTERRUPTED not in trial.user_attrs)


def queue_base(handle: StudyHandle) -> None:
    """Queue the initial settings, unless that was done already."""
    if all(trial.user_attrs.get(Attr.QUEUED) != BASE for trial in handle.study.get_trials(deepcopy=False)):
        problem = handle.problem
        handle.study.enqueue_trial(to_params(problem.base_values(), problem.space), user_attrs={Attr.QUEUED: BASE})


def next_grid_point(handle: StudyHandle) -> tuple[int, dict[str, Value]] | None:
    """Index and values of the first grid point without a trial; None if there is none."""
    space = handle.problem.space
    trials = handle.study.get_trials(deepcopy=False)
    taken = [from_params(trial.system_attrs.get("fixed_params", trial.params), space) for trial in trials]
    points = enumerate(grid(space, handle.sampler.grid_points))
    return next(((index, values) for index, values in points if values not in taken), None)


def queue_grid_point(handle: StudyHandle) -> bool:
    """Queue the next grid point. Returns whether there was one."""
    found = next_grid_point(handle)
    if found is not None:
        index, values = found
        handle.study.enqueue_trial(to_params(values, handle.problem.space), user_attrs={Attr.QUEUED: f"grid {index}"})
    return found is not None


def dead_trials(handle: StudyHandle) -> list[tuple[FrozenTrial, float]]:
    """The running trials whose process is dead, each with the seconds since its last heartbeat."""
    storage = handle.database.storage
    running = handle.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    silent = seconds_since_heartbeat(storage, [trial._trial_id for trial in running]) if running else {}
    dead = []
    for trial in running:
        if trial._trial_id not in silent:  # it ended, or is, before its first heartbeat: the grace period starts now
            storage.record_heartbeat(trial._trial_id)
        seconds = silent.get(trial._trial_id, 0.0)
        if has_ended(trial.user_attrs) or seconds > handle.config.grace_seconds:
            dead.append((trial, seconds))
    return dead


def _close_dead(handle: StudyHandle, trial: FrozenTrial, silent: float) -> TrialOutcome | None:
    """Close a dead trial; None if another worker did."""
    storage, ended = handle.database.storage, time.time() - silent
    try:
        storage.set_trial_user_attr(trial._trial_id, Attr.ENDED, ended)
        storage.set_trial_user_attr(
            trial._trial_id, Attr.SECONDS, max(0.0, ended - trial.user_attrs.get(Attr.BEGAN, ended))
        )
        if deaths_of(trial) >= MOST_DEATHS:
            storage.set_trial_user_attr(trial._trial_id, Attr.REASON, f"its process died {MOST_DEATHS} times")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return None
    return outcome_of(storage.get_trial(trial._trial_id), handle.problem.space)
