"""The three programs: their command lines, and the environment that they and their clients share."""

import os
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.orchestration.deployments import HEARTBEAT_SECONDS
from flows.up.passwords import Passwords
from flows.up.settings import UpSettings

MLFLOW, PREFECT, WORKER = "mlflow", "prefect", "worker"
TITLES = {MLFLOW: "MLflow server", PREFECT: "Prefect server", WORKER: "worker"}
POOL = "ncf"
FOLDER_VARIABLE, PROGRAM_VARIABLE = "NCF_UP_FOLDER", "NCF_UP_PROGRAM"  # mark our processes
AUTH_FILE, ACCOUNTS = "mlflow-auth.ini", "mlflow-auth.db"
AUTH_TEXT = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{database}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""  # the cache: without it the slow hash of the password is computed for each of a retraining's requests


@dataclass(frozen=True)
class Program:
    """A program that the supervisor runs, and restarts when it ends.

    Attributes:
        name: mlflow, prefect or worker.
        command: its command line, without secrets.
        at_once: whether it starts with the supervisor; the worker waits until the Prefect server is set up.
        stop_seconds: that it has to end after SIGTERM.
    """

    name: str
    command: tuple[str, ...]
    at_once: bool = True
    stop_seconds: int = 30

    def line(self) -> str:
        """The command line as text; it first ends processes of an earlier start."""
        return shlex.join((sys.executable, "-m", "flows.up.processes", self.name, *self.command))


def programs(settings: UpSettings, with_passwords: bool) -> list[Program]:
    """The programs, in the order in which they are started."""
    worker = ["worker", "start", "--pool", POOL, "--type", "process"]
    worker += ["--name", worker_name(), "--limit", str(settings.runs)]
    return [
        Program(MLFLOW, _module("mlflow", *_mlflow_options(settings, with_passwords))),
        Program(PREFECT, _module("prefect", "server", "start", *_address(settings.host, settings.prefect_port))),
        Program(WORKER, _module("prefect", *worker), at_once=False, stop_seconds=60),
    ]


def environment(settings: UpSettings, passwords: Passwords | None, present: Mapping[str, str]) -> dict[str, str]:
    """The environment of the three programs and of the commands that talk to them."""
    database = settings.home / "prefect" / "prefect.db"
    return {
        **present,
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_API_URL": f"{settings.prefect_url}/api",
        "PREFECT_SERVER_UI_API_URL": "/api",  # relative, since browsers may use another host name
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "ncf",  # as in pyproject.toml, which flow runs do not see
        "DO_NOT_TRACK": "1",
        "MLFLOW_TRACKING_URI": settings.mlflow_url,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eleven processes, 2 GB in all, that nothing here uses
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_AUTH_CONFIG_PATH": str(settings.run_folder / AUTH_FILE),
        "NCF_HOME": str(Path.cwd()),
        "PYTHONUNBUFFERED": "1",
        FOLDER_VARIABLE: str(settings.run_folder),
        **(passwords.for_clients() if passwords else {}),
    }


def auth_file(settings: UpSettings) -> str:
    """MLflow's configuration of accounts, which see nothing without a permission. It has no password."""
    database = str(settings.home / ACCOUNTS).replace("%", "%%")
    return AUTH_TEXT.format(database=database)


def worker_name() -> str:
    """The worker's name, the same after every start so that the pool's list of workers does not grow."""
    return f"{socket.gethostname()}-up"


def _mlflow_options(settings: UpSettings, with_passwords: bool) -> list[str]:
    options = ["server", *_address(settings.host, settings.mlflow_port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{settings.database}"]
    options += ["--artifacts-destination", str(settings.home / "artifacts")]
    if settings.mlflow_names:
        names = ["localhost", "127.0.0.1", "[::1]", settings.host, *settings.mlflow_names]
        addresses = [f"{name}:{settings.mlflow_port}" for name in dict.fromkeys(names)]
        options += ["--allowed-hosts", ",".join(addresses)]
        options += ["--cors-allowed-origins", ",".join(f"http://{address}" for address in addresses)]
    return [*options, "--app-name", "basic-auth"] if with_passwords else options


def _address(host: str, port: int) -> list[str]:
    return ["--host", host, "--port", str(port)]


def _module(name: str, *args: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *args)


def present_environment() -> dict[str, str]:
    """The environment of this process without variables that point Prefect and MLflow to other servers."""
    elsewhere = ("PREFECT_PROFILE", "PREFECT_API_KEY", "MLFLOW_REGISTRY_URI", "MLFLOW_BACKEND_STORE_URI")
    return {name: value for name, value in os.environ.items() if name not in elsewhere}
