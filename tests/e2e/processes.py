"""Real processes with homes of their own, on free ports of 127.0.0.1, stopped with all their children."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from ncf.evaluation.baselines import can_ials

REPOSITORY = Path(__file__).parents[2]
BASELINES = {"popularity", "item-knn"} | ({"ials"} if can_ials() else set())
RUNS = BASELINES | {"gmf", "mlp", "neumf", "neumf-pretrained"}
QUICK = [
    "--settings=defaults",  # those of a preset learn too little in so few epochs
    "--data.filters.max-users=500",
    "--gmf.training.learning-rate=0.01",
    "--mlp.model.layers=16,8",
    "--neumf.model.layers=16,8",
    *(
        f"--{model}.training.max-epochs={epochs}"
        for model, epochs in (("gmf", 8), ("mlp", 8), ("neumf", 2), ("neumf-pretrained", 1))
    ),
]


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


def wait_until(true: Callable[[], bool], log: Path, seconds: float = 180) -> None:
    """Wait for something to become true; fails with the end of the log if it does not."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"nothing happened in {seconds} s; the log ends:\n{log.read_text()[-3000:]}")
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
