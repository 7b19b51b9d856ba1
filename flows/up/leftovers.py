"""Processes of an earlier start that nobody looks after any more, and who holds a port."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from flows.up.programs import FOLDER_VARIABLE, PROGRAM_VARIABLE

FLOW_RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"  # Prefect's own
END_SECONDS = 20.0


def leftovers(run_folder: Path, program: str | None = None) -> list[psutil.Process]:
    """Processes of a program, or of any, that belong to a run folder; without flow runs, and without this process."""
    return [
        process
        for process, variables in _ours(run_folder)
        if program in (None, variables.get(PROGRAM_VARIABLE)) and not _is_flow_run(variables)
    ]


def flow_runs(run_folder: Path) -> list[psutil.Process]:
    """The processes of flow runs that the worker of a run folder started."""
    return [process for process, variables in _ours(run_folder) if _is_flow_run(variables)]


def end(processes: list[psutil.Process], seconds: float = END_SECONDS) -> None:
    """Ask processes to end, and end those that do not."""
    for process in processes:
        _quietly(process.terminate)
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        _quietly(process.kill)
    psutil.wait_procs(alive, timeout=seconds)


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a TCP port, or None if it can't be seen."""
    try:
        listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        pid = next((c.pid for c in listening if c.laddr.port == port), None)
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def _ours(run_folder: Path) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            variables = process.environ()
        except (psutil.Error, OSError):  # another account's, or gone
            continue
        if variables.get(FOLDER_VARIABLE) == str(run_folder) and PROGRAM_VARIABLE in variables:
            yield process, variables


def _is_flow_run(variables: dict[str, str]) -> bool:
    return FLOW_RUN_VARIABLE in variables


def _quietly(call: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        call()
