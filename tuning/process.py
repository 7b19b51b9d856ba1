"""Signs of life: which process runs a trial, and when it was last heard of."""

import logging
import platform
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from optuna.storages import RDBStorage
from sqlalchemy import DateTime, Integer, column, func, select, table

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
