"""The supervisor, supervisord: its configuration, start and stop, its programs, and whether these are healthy."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import requests
from supervisor.states import STOPPED_STATES
from supervisor.xmlrpc import SupervisorTransport

from flows.up.passwords import MLFLOW_PASSWORD, Passwords
from flows.up.passwords import PREFECT as PREFECT_PASSWORD
from flows.up.processes import has_ended
from flows.up.programs import MLFLOW, POOL, PREFECT, PROGRAM_VARIABLE, WORKER, Program, worker_name
from flows.up.settings import UpSettings
from ncf.errors import ConfigError, NCFError

CONFIG, SOCKET, PID, LOGS = "supervisord.conf", "supervisor.sock", "supervisord.pid", "logs"
SPECIAL = "%;#\n"  # formats and comments of its configuration, which it reads more than once
LONGEST_SOCKET = 90  # characters; the system allows 107, and supervisord adds its pid while it makes the socket
START_SECONDS, STOP_SECONDS = 30.0, 150.0
ANSWER_SECONDS = 10.0  # for one answer of a server
HEAD = """\
[unix_http_server]
file={folder}/{socket}
chmod=0700

[supervisord]
logfile={folder}/{logs}/supervisord.log
logfile_maxbytes=1MB
logfile_backups=3
pidfile={folder}/{pid}
childlogdir={folder}/{logs}
identifier=ncf
user={user}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command={command}
directory={directory}
environment={variable}="{name}"
priority={priority}
autostart={at_once}
autorestart=true
startsecs=3
startretries=1000
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={folder}/{logs}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


class SupervisorError(NCFError):
    """The supervisor, or a program of it, does not start, answer or stop."""


def configuration(folder: Path, programs: Sequence[Program], directory: Path) -> str:
    """Supervisord's configuration; the programs run in `directory`, and are stopped in the reverse order."""
    where = {"folder": str(folder), "socket": SOCKET, "logs": LOGS, "pid": PID}
    parts = [HEAD.format(**where, user=os.geteuid())]  # named, or it warns that it runs as root
    for number, program in enumerate(programs, start=1):
        parts.append(
            PROGRAM.format(
                **where,
                name=program.name,
                command=program.line().replace("%", "%%"),
                directory=directory,
                variable=PROGRAM_VARIABLE,
                priority=number * 100,
                at_once=str(program.at_once).lower(),
                stop_seconds=program.stop_seconds,
            )
        )
    return "".join(parts)


def asks_for_passwords(configuration: str) -> bool:
    """Whether the servers of a configuration have passwords."""
    return "--app-name basic-auth" in configuration


def check_paths(folder: Path, directory: Path) -> None:
    """Check that supervisord can use the paths.

    Raises:
        ConfigError: a path has a special character, or is too long for a socket.
    """
    path = str(folder / SOCKET)
    for text, do in ((path, "choose another: --folder"), (str(directory), "run in a checkout with another path")):
        if any(mark in text for mark in SPECIAL):
            raise ConfigError("supervisord can't use the path", got=text, allowed="none of % ; #", do=do)
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise ConfigError(
            "the path of the supervisor's socket is too long for the system",
            got=path,
            allowed=f"at most {LONGEST_SOCKET} characters",
            do="choose a folder with a shorter path: --folder",
        )


@dataclass(frozen=True)
class Supervisor:
    """supervisord of one run folder, running or not."""

    folder: Path

    def runs(self) -> bool:
        """Whether it answers; a socket or a pid file of a killed one does not count."""
        try:
            return str(self._rpc().getState()["statename"]) in ("RUNNING", "RESTARTING")
        except (OSError, Fault):
            return False

    def states(self) -> dict[str, dict[str, Any]]:
        """The state of each program: statename, pid, start (seconds since 1970), spawnerr."""
        return {str(info["name"]): dict(info) for info in self._rpc().getAllProcessInfo()}

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it in the background; the environment is that of all programs.

        Raises:
            SupervisorError: it does not start.
        """
        (self.folder / SOCKET).unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(self.folder / CONFIG)]
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
        if done.returncode != 0 or not _within(START_SECONDS, self.runs):
            log = self.folder / LOGS / "supervisord.log"
            printed = (done.stderr or done.stdout).strip()[-500:]
            raise SupervisorError("the supervisor does not start", got=printed, do=f"see {log}")

    def start_program(self, name: str) -> None:
        """Start a program that is not running, even if the supervisor gave it up; do not wait until it is healthy."""
        if self.states()[name]["state"] in STOPPED_STATES:
            self._rpc().startProcess(name, False)

    def stop_program(self, name: str) -> None:
        """Stop a program and wait until it has ended."""
        if self.states()[name]["state"] not in STOPPED_STATES:
            self._rpc().stopProcess(name, True)

    def stop(self) -> None:
        """Stop all programs and the supervisor, and wait until they have ended.

        Raises:
            SupervisorError: they do not end.
        """
        pid = int(self._rpc().getPID())
        self._rpc().shutdown()
        if not _within(STOP_SECONDS, lambda: has_ended(pid)):
            do = f"kill -9 {pid}, then repeat the command"
            raise SupervisorError("the supervisor does not stop; its process", got=pid, do=do)

    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.folder / SOCKET}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds, and return whether it did in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


@dataclass(frozen=True)
class Health:
    """Health checks of the servers that run with these settings and passwords."""

    settings: UpSettings
    passwords: Passwords | None

    def check(self, name: str) -> bool:
        """Whether a program is healthy: a server and its database answer, the worker takes flow runs."""
        urls = {MLFLOW: f"{self.settings.mlflow_url}/health", PREFECT: f"{self.settings.prefect_url}/api/ready"}
        try:
            return self._worker_is_online() if name == WORKER else requests.get(urls[name], timeout=ANSWER_SECONDS).ok
        except (requests.RequestException, ValueError):
            return False

    def check_passwords(self, name: str) -> None:
        """Check that a server requires a password if and only if there is one, and accepts it.

        Raises:
            ConfigError: it does not.
            SupervisorError: it does not answer.
        """
        auth, variable = self._account(name)
        open_to_all = self._lets_in(name, None)
        if open_to_all != (auth is None):
            raise ConfigError(
                f"the {name} server runs {'without' if open_to_all else 'with'} a password; ${variable} is "
                f"{'not ' if auth is None else ''}set",
                do="set the variables as they were when it was started, or restart it: make down, then make up",
            )
        if auth is not None and not self._lets_in(name, auth):
            raise ConfigError(
                f"the {name} server has another password than ${variable}",
                do="docs/operations.md#passwords says how to change it"
                if name == MLFLOW
                else "set the password that it was started with, or restart it: make down, then make up",
            )

    def _account(self, name: str) -> tuple[tuple[str, str] | None, str]:
        if name == PREFECT:
            return (self.passwords.prefect if self.passwords else None), PREFECT_PASSWORD
        return (self.passwords.mlflow if self.passwords else None), MLFLOW_PASSWORD

    def _lets_in(self, name: str, auth: tuple[str, str] | None) -> bool:
        protected = {
            MLFLOW: f"{self.settings.mlflow_url}/api/2.0/mlflow/experiments/get?experiment_id=0",
            PREFECT: f"{self.settings.prefect_url}/api/admin/version",
        }
        try:
            return requests.get(protected[name], auth=auth, timeout=ANSWER_SECONDS).ok
        except requests.RequestException as error:
            raise SupervisorError(
                f"the {name} server does not answer",
                got=str(error)[:300],
                do="run the same command again",
            ) from error

    def _worker_is_online(self) -> bool:
        url = f"{self.settings.prefect_url}/api/work_pools/{POOL}/workers/filter"
        answer = requests.post(url, json={}, auth=self._account(PREFECT)[0], timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        return any(worker["name"] == worker_name() and worker["status"] == "ONLINE" for worker in answer.json())
