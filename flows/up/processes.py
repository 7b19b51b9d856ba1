"""Processes of an earlier start that nobody looks after any more, and who holds a port."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from flows.serve.access import listen
from flows.up.passwords import Passwords
from flows.up.programs import FOLDER_VARIABLE, PROGRAM_VARIABLE
from flows.up.settings import UpSettings
from ncf.errors import ConfigError

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


def check_ports(settings: UpSettings) -> None:
    """Make sure that each port is free, or is held by a server of an earlier start, which ends before its successor.

    Raises:
        ConfigError: another process has it, or the address is not this machine's.
    """
    ours = {process.pid for process in leftovers(settings.run_folder)}
    for option, port in (("--mlflow-port", settings.mlflow_port), ("--prefect-port", settings.prefect_port)):
        try:
            listen(settings.host, port).close()
        except ConfigError as error:
            holder = listener(port)
            if holder is not None and holder.pid in ours:
                continue
            who = "" if holder is None else f"process {holder.pid}, {' '.join(holder.cmdline())[:200]}"
            raise ConfigError(
                f"can't listen on {settings.host}, port {port}",
                got=f"{error.got}{'; it is taken by ' + who if who else ''}",
                do=f"{'stop that process' if who else f'see who has it: ss -ltnp sport = :{port}'}, or choose another: "
                f"{option}",
            ) from error


SECONDS = 10.0  # for one answer
UNFINISHED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
STATE = {"type": "CRASHED", "name": "Crashed", "message": "stopped by make down; run it again, and it goes on"}


def end_flow_runs(run_folder: Path) -> set[str]:
    """End the processes of flow runs. Returns the runs' ids."""
    processes = flow_runs(run_folder)
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            found.add(process.environ()[FLOW_RUN_VARIABLE])
    end(processes)
    return found


def report_stopped(settings: UpSettings, passwords: Passwords | None, ids: Iterable[str]) -> None:
    """Tell the Prefect server of runs that could not tell it themselves; else they would run for ever there."""
    auth = passwords.prefect if passwords else None
    for number in ids:
        url = f"{settings.prefect_url}/api/flow_runs/{number}"
        with suppress(requests.RequestException, KeyError):
            run = requests.get(url, auth=auth, timeout=SECONDS).json()
            if run["state_type"] in UNFINISHED:
                requests.post(f"{url}/set_state", json={"state": STATE, "force": True}, auth=auth, timeout=SECONDS)
