"""The roles of compose.yaml as processes, with its own commands and variables, on a PostgreSQL server."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from ncf.files import CACHE_VARIABLE
from tests.deploy.compose import read_compose
from tests.e2e.checkouts import make_checkout
from tests.e2e.processes import (
    QUICK_PARAMETER,
    REPOSITORY,
    answers,
    environment,
    free_port,
    python_module,
    running,
    wait_until,
)
from tests.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PASSWORD = "letters-digits_9"
VARIABLES = {
    "PREFECT_API_AUTH_STRING": "ncf:a-long-password",
    "MLFLOW_TRACKING_USERNAME": "ann",
    "MLFLOW_TRACKING_PASSWORD": "another-long-password",
    "NCF_DATABASE_PASSWORD": PASSWORD,
    "NCF_SECRET_KEY": "key",
}


@dataclass(frozen=True)
class Composed:
    """compose.yaml on one machine: names of containers become ports, and folders of containers folders of the test.

    Attributes:
        places: what stands in compose.yaml, and what it is here.
    """

    folder: Path
    places: dict[str, str]

    def here(self, text: str) -> str:
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def command(self, name: str) -> list[str]:
        words = [self.here(word) for word in self._service(name)["command"]]
        return python_module(*words) if words[0] != "python" else [*python_module("x")[:1], *words[1:]]

    def env(self, name: str) -> dict[str, str]:
        variables = {key: self.here(value) for key, value in self._service(name)["environment"].items()}
        return environment(self.folder, **variables, **{CACHE_VARIABLE: str(self.folder / "cache")})

    @contextmanager
    def running(self, name: str) -> Iterator[Path]:
        """Run a service. Returns its log."""
        log = self.folder / f"{name}.log"
        with running(self.command(name), self.folder / "checkout", self.env(name), log):
            yield log

    def _service(self, name: str) -> dict[str, Any]:
        service: dict[str, Any] = read_compose(VARIABLES)["services"][name]
        return service


def composed(folder: Path, postgres: Postgres) -> Composed:
    prefect, mlflow = free_port(), free_port()
    etc = folder / "etc"
    etc.mkdir()
    ini = (REPOSITORY / "deploy" / "compose" / "mlflow-auth.ini").read_text()
    (etc / "mlflow-auth.ini").write_text(ini.replace("/var/lib/ncf", str(folder)))
    places = {
        "postgres:5432": f"127.0.0.1:{postgres.port}",
        "prefect:4200": f"127.0.0.1:{prefect}",
        "mlflow:5000": f"127.0.0.1:{mlflow}",
        "--port=4200": f"--port={prefect}",
        "--port=5000": f"--port={mlflow}",
        "--host=0.0.0.0": "--host=127.0.0.1",
        "/var/lib/ncf": str(folder),
        "/etc/ncf": str(etc),
        "/opt/ncf": str(folder / "checkout"),
    }
    return Composed(folder, places)


def rows(postgres: Postgres, database: str, query: str) -> list[tuple[Any, ...]]:
    address = f"host=127.0.0.1 port={postgres.port} user=ncf password={PASSWORD} dbname={database}"
    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_retraining_on_postgresql_with_every_role_of_compose_yaml(postgres: Postgres, workspace: Path) -> None:
    postgres.run(f"CREATE ROLE ncf LOGIN PASSWORD '{PASSWORD}'")
    postgres.run("CREATE DATABASE mlflow OWNER ncf")
    for statement in (REPOSITORY / "deploy" / "compose" / "databases.sql").read_text().split(";"):
        line = statement.strip().rpartition("\n")[2]
        if line:
            postgres.run(f"{line} OWNER ncf")  # in the container it is ncf who makes them
    roles = composed(workspace, postgres)
    make_checkout(workspace / "checkout")
    prefect, mlflow = (f"http://{roles.places[name]}" for name in ("prefect:4200", "mlflow:5000"))
    with ExitStack() as stack:
        for name, health in (("mlflow", f"{mlflow}/health"), ("prefect", f"{prefect}/api/ready")):
            log = stack.enter_context(roles.running(name))
            wait_until(lambda url=health: answers(url), log)  # type: ignore[misc]
        checkout = workspace / "checkout"
        for _ in range(2):  # again, it changes nothing
            done = subprocess.run(
                roles.command("set-up"), cwd=checkout, env=roles.env("set-up"), capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
        log = stack.enter_context(roles.running("worker"))
        wanted = ["deployment", "run", "retrain/ml-100k", "-p", QUICK_PARAMETER, "--watch"]
        command = python_module("prefect", "--no-prompt", *wanted)
        done = subprocess.run(command, cwd=checkout, env=roles.env("worker"), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr + log.read_text()[-3000:]
        account = (VARIABLES["MLFLOW_TRACKING_USERNAME"], VARIABLES["MLFLOW_TRACKING_PASSWORD"])
        address = f"{mlflow}/api/2.0/mlflow/registered-models/alias?name=ncf-ml-100k&alias=champion"
        assert requests.get(address, timeout=30).status_code == 401
        champion = requests.get(address, auth=account, timeout=30).json()["model_version"]
        assert champion["version"] == "1"
        finished = "SELECT name, state_type FROM flow_run WHERE state_type = 'COMPLETED' ORDER BY start_time"
        wanted_runs = [("retrain ml-100k, seed 0", "COMPLETED"), ("recommend ml-100k", "COMPLETED")]
        wait_until(lambda: rows(postgres, "prefect", finished) == wanted_runs, log)  # the second by the automation
    assert rows(postgres, "mlflow", "SELECT name, version FROM model_versions") == [("ncf-ml-100k", 1)]
    assert rows(postgres, "prefect", "SELECT name, state_type FROM flow_run ORDER BY start_time") == wanted_runs
    assert any((workspace / "artifacts").rglob("weights.safetensors")), "the MLflow server keeps the files"
