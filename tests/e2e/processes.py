"""Real processes with homes of their own, on free ports of 127.0.0.1, stopped with all their children."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from ncf.config import flatten
from ncf.evaluation.baselines import can_ials

REPOSITORY = Path(__file__).parents[2]
BASELINES = {"popularity", "item-knn", "ease"} | ({"ials"} if can_ials() else set())
RUNS = BASELINES | {"gmf", "mlp", "neumf", "neumf-pretrained", "refit"}  # of a retraining that promotes
QUICK_SETTINGS = {
    "settings": "defaults",  # those of a preset learn too little in so few epochs
    "data": {"filters": {"max_users": 500}},
    "gmf": {"training": {"max_epochs": 8, "learning_rate": 0.01}},
    "mlp": {"model": {"layers": [16, 8]}, "training": {"max_epochs": 8}},
    "neumf": {"model": {"layers": [16, 8]}, "training": {"max_epochs": 2}},
    "neumf_pretrained": {"training": {"max_epochs": 1}},
    "promotion": {"first": "average"},
}
QUICK_PARAMETER = f"settings={json.dumps(QUICK_SETTINGS)}"  # of `prefect deployment run -p`


def options_of(settings: Mapping[str, Any]) -> list[str]:
    """Settings as options of a command."""
    return [_option(name.replace("_", "-"), value) for name, value in flatten(settings).items()]


def _option(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, list) else value}"


QUICK = options_of(QUICK_SETTINGS)  # of `python -m flows.retrain`
UNHURRIED = "--no-hardware.compile"  # torch's steps: a training lasts long enough to be stopped in it


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The present environment with homes of the test's own, and no server but those given."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PREFECT_"))}
    own = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PYTHONPATH": str(REPOSITORY),
        "DO_NOT_TRACK": "1",
        "COLUMNS": "250",  # else tables break the names
    }
    return inherited | own | variables


@contextmanager
def running(command: Sequence[str], cwd: Path, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own; at the end the whole group is ended."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(timeout=20)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


def python_module(module: str, *args: str) -> list[str]:
    """The command line of a module under the tests' own Python."""
    return [sys.executable, "-m", module, *args]


def prefect_server(port: int) -> list[str]:
    """The command line of a Prefect server."""
    return python_module("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))


def mlflow_server(port: int, folder: Path, database: str = "server.db") -> list[str]:
    """The command line of an MLflow server that keeps database and artifacts in a folder."""
    return [
        *python_module("mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/{database}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]


def wait_until(true: Callable[[], bool], log: Path | None = None, seconds: float = 180) -> None:
    """Wait for something to become true; fails with the end of the log, if there is one, if it does not."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            end_of_log = f"; the log ends:\n{log.read_text()[-3000:]}" if log else ""
            raise AssertionError(f"nothing happened in {seconds} s{end_of_log}")
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether a server answers with success."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
