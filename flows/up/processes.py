"""Processes that belong to a run folder: those of an earlier start, those of flow runs, and who holds a port.

The supervisor runs each program as `python -m flows.up.processes NAME COMMAND`, which first ends its predecessor.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from flows.cli.checks import listen
from flows.up.passwords import Passwords
from flows.up.programs import FOLDER_VARIABLE, PROGRAM_VARIABLE
from flows.up.settings import UpSettings
from ncf.errors import ConfigError

FLOW_RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"  # Prefect's own
UNFINISHED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
CRASHED = {"type": "CRASHED", "name": "Crashed", "message": "Stopped by make down. The next run continues from there."}
END_SECONDS = 20.0
ANSWER_SECONDS = 10.0


def leftovers(run_folder: Path, program: str | None = None) -> list[psutil.Process]:
    """Processes of a program, or of all programs, of a run folder, without flow runs and this process."""
    return [
        process
        for process, variables in _processes(run_folder)
        if program in (None, variables.get(PROGRAM_VARIABLE)) and FLOW_RUN_VARIABLE not in variables
    ]


def flow_runs(run_folder: Path) -> list[psutil.Process]:
    """The processes of flow runs that the worker of a run folder started."""
    return [process for process, variables in _processes(run_folder) if FLOW_RUN_VARIABLE in variables]


def _processes(run_folder: Path) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """The processes of a run folder, except this one, and their environments."""
    for process in psutil.process_iter(["environ"]):
        variables = process.info["environ"] or {}  # None: the process is another account's
        is_ours = variables.get(FOLDER_VARIABLE) == str(run_folder) and PROGRAM_VARIABLE in variables
        if is_ours and process.pid != os.getpid():
            yield process, variables


def has_ended(pid: int) -> bool:
    """Whether a process has ended, even if its parent, perhaps the first process of a container, took no note of it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def end(processes: list[psutil.Process], seconds: float = END_SECONDS) -> None:
    """Terminate processes, and kill those that have not ended after so many seconds."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=seconds)


def end_flow_runs(run_folder: Path) -> set[str]:
    """End the processes of flow runs. Returns the ids of the runs."""
    processes = flow_runs(run_folder)
    end(processes)
    return {process.info["environ"][FLOW_RUN_VARIABLE] for process in processes}


def report_ended(settings: UpSettings, passwords: Passwords | None, ids: Iterable[str]) -> None:
    """Set flow runs to Crashed that could not report their end themselves; they would stay Running for ever."""
    auth = passwords.prefect if passwords else None
    for run_id in ids:
        url = f"{settings.prefect_url}/api/flow_runs/{run_id}"
        with suppress(requests.RequestException, KeyError):
            run = requests.get(url, auth=auth, timeout=ANSWER_SECONDS).json()
            if run["state_type"] in UNFINISHED:
                state = {"state": CRASHED, "force": True}
                requests.post(f"{url}/set_state", json=state, auth=auth, timeout=ANSWER_SECONDS)


def check_ports(settings: UpSettings) -> None:
    """Check that each port is free, or held by a server of an earlier start, which its successor ends.

    Raises:
        ConfigError: another process holds it, or the address is not this machine's.
    """
    ours = {process.pid for process in leftovers(settings.run_folder)}
    for option, port in (("--mlflow-port", settings.mlflow_port), ("--prefect-port", settings.prefect_port)):
        try:
            listen(settings.host, port).close()
        except ConfigError as error:
            holder = _listener(port)
            if holder is not None and holder.pid in ours:
                continue
            who = "" if holder is None else f"process {holder.pid}, {' '.join(holder.cmdline())[:200]}"
            raise ConfigError(
                f"can't listen on {settings.host}, port {port}",
                got=f"{error.got}{'; it is taken by ' + who if who else ''}",
                do=f"{'stop that process' if who else f'find who holds it: ss -ltnp sport = :{port}'}, or choose "
                f"another port: {option}",
            ) from error


def _listener(port: int) -> psutil.Process | None:
    """The process that listens on a TCP port, or None if this account can't see it."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return psutil.Process(connection.pid)
    return None


def become(name: str, command: list[str]) -> None:
    """Become a program. A server whose parent was killed still holds its port, and its successor could not start."""
    end(leftovers(Path(os.environ[FOLDER_VARIABLE]), name))
    os.execv(command[0], command)


if __name__ == "__main__":
    become(sys.argv[1], sys.argv[2:])
