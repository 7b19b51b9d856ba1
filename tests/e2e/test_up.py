"""`python -m flows.up` on one machine: started twice, everything killed once, a champion backed up and restored."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import yaml
from mlflow import MlflowClient

from flows.up.passwords import MLFLOW_PASSWORD, MLFLOW_USER, PREFECT
from flows.up.processes import end, flow_runs, has_ended, leftovers
from flows.up.supervisor import PID, Supervisor
from ncf.files import CACHE_VARIABLE
from tests.e2e.checkouts import make_checkout
from tests.e2e.processes import (
    QUICK,
    QUICK_PARAMETER,
    answers,
    environment,
    free_port,
    mlflow_server,
    python_module,
    running,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LOADED = (
    "import mlflow, pandas as pd; m = mlflow.pyfunc.load_model('models:/ncf-ml-100k@champion'); "
    "print(m.predict(pd.DataFrame({'user_id': [1, 2]})).to_csv())"
)


@dataclass(frozen=True)
class Machine:
    """A checkout in which the servers are, or may be, up.

    Attributes:
        checkout: with links to the code, and a prefect.yaml of its own.
        ports: of Prefect and MLflow.
    """

    checkout: Path
    env: dict[str, str]
    ports: tuple[int, int]

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.checkout / "mlruns" / "up")

    def run(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            python_module(*args),
            cwd=self.checkout,
            env=self.env | variables,
            capture_output=True,
            text=True,
            timeout=500,
        )

    def unfinished(self) -> list[str]:
        """Names of the flow runs that Prefect takes for being at work."""
        states = {"any_": ["RUNNING", "PENDING", "CANCELLING"]}
        url = f"http://127.0.0.1:{self.ports[0]}/api/flow_runs/filter"
        answer = requests.post(url, json={"flow_runs": {"state": {"type": states}}}, timeout=30)
        return [run["name"] for run in answer.json()]

    def predict(self, address: str) -> str:
        """What the champion of an MLflow server recommends to two users, as CSV."""
        env = self.env | {"MLFLOW_TRACKING_URI": address}
        done = subprocess.run([sys.executable, "-c", LOADED], env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        prefect, mlflow = self.ports
        ports = ("--prefect-port", str(prefect), "--mlflow-port", str(mlflow))
        return self.run("flows.up", "up", *ports, *options, **variables)

    def healthy(self) -> bool:
        return self.run("flows.up", "status").returncode == 0

    def log(self, name: str = "worker") -> Path:
        return self.supervisor.folder / "logs" / f"{name}.log"


@contextmanager
def machine(folder: Path, cache: Path, **variables: str) -> Iterator[Machine]:
    """A checkout; at the end nothing that it started runs."""
    make_checkout(folder)
    env = environment(folder, **{CACHE_VARIABLE: str(cache)}, **variables)
    made = Machine(folder, env, (free_port(), free_port()))
    try:
        yield made
    finally:
        made.run("flows.up", "down")
        run_folder = made.supervisor.folder
        end(leftovers(run_folder) + flow_runs(run_folder))


@pytest.fixture(scope="module")
def one(workspace: Path) -> Iterator[Machine]:
    with machine(workspace / "one", workspace / "cache") as made:
        done = made.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def test_everything_is_there_after_one_command(one: Machine) -> None:
    assert one.healthy()
    status = one.run("flows.up", "status").stdout
    assert status.count(" healthy ") == 3
    listed = one.run("prefect", "deployment", "ls").stdout
    for deployment in yaml.safe_load((one.checkout / "prefect.yaml").read_text())["deployments"]:
        assert f"{deployment['entrypoint'].partition(':')[2]}/{deployment['name']}" in listed
    assert "ncf-registry-ncf-ml-100k" in one.run("prefect", "gcl", "ls").stdout


def test_again_it_only_looks_after_what_runs(one: Machine) -> None:
    before = {name: state["pid"] for name, state in one.supervisor.states().items()}
    done = one.up()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: state["pid"] for name, state in one.supervisor.states().items()} == before
    other = one.up("--runs", "7")
    assert other.returncode == 1 and "other settings" in other.stderr and "make down" in other.stderr


def test_a_deployment_that_left_prefect_yaml_leaves_the_server_and_a_strange_one_stays(one: Machine) -> None:
    path = one.checkout / "prefect.yaml"
    content = path.read_text()
    more = yaml.safe_load(content)
    strange = dict(more["deployments"][0], name="theirs", tags=[])
    departing = dict(more["deployments"][0], name="departing")
    path.write_text(yaml.safe_dump(more | {"deployments": [*more["deployments"], strange, departing]}))
    assert one.up().returncode == 0
    listed = one.run("prefect", "deployment", "ls").stdout
    assert "retrain/theirs" in listed and "retrain/departing" in listed
    path.write_text(content)
    assert one.up().returncode == 0
    listed = one.run("prefect", "deployment", "ls").stdout
    assert "retrain/theirs" in listed and "retrain/departing" not in listed and "retrain/ml-100k" in listed


def test_a_retraining_runs_without_any_export_and_its_champion_is_backed_up_and_restored(
    one: Machine, tmp_path: Path
) -> None:
    done = one.run("prefect", "--no-prompt", "deployment", "run", "retrain/ml-100k", "-p", QUICK_PARAMETER, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + one.log().read_text()[-3000:]
    before = one.predict(f"http://127.0.0.1:{one.ports[1]}")
    assert "Version 1 " in one.run("flows.retrain", *QUICK).stdout, "a command in the folder uses the servers"
    backed = one.run("flows.backup", "backup", "--to", str(tmp_path / "backup"))
    assert backed.returncode == 0, backed.stderr
    other = tmp_path / "elsewhere"
    restored = one.run("flows.backup", "restore", "--source", str(tmp_path / "backup"), "--folder", str(other))
    assert restored.returncode == 0, restored.stderr
    with restored_server(other, one.env) as address:
        assert one.predict(address) == before and before.count("\n") > 20
        assert MlflowClient(address).get_model_version_by_alias("ncf-ml-100k", "champion").version in ("1", 1)


@contextmanager
def restored_server(folder: Path, env: dict[str, str]) -> Iterator[str]:
    port, log = free_port(), folder / "server.log"
    with running(
        mlflow_server(port, folder, "mlflow.db"), folder, env | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, log
    ):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), log)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("name", ["mlflow", "prefect", "worker"])
def test_a_killed_program_comes_back(one: Machine, name: str) -> None:
    killed = int(one.supervisor.states()[name]["pid"])
    children = psutil.Process(killed).children()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: one.supervisor.states()[name]["pid"] not in (0, killed), one.log(name))
    wait_until(lambda: all(has_ended(child.pid) for child in children), one.log(name))  # what it left holds its port
    wait_until(one.healthy, one.log(name))


def test_what_answers_the_requests_comes_back_if_it_alone_is_killed(one: Machine) -> None:
    (child,) = psutil.Process(int(one.supervisor.states()["mlflow"]["pid"])).children()
    child.kill()
    wait_until(lambda: not answers(f"http://127.0.0.1:{one.ports[1]}/health"), one.log("mlflow"))
    wait_until(one.healthy, one.log("mlflow"))


def test_after_a_kill_of_everything_the_same_command_starts_it(one: Machine) -> None:
    pid = int((one.supervisor.folder / PID).read_text())
    os.kill(pid, signal.SIGKILL)
    for process in leftovers(one.supervisor.folder, "prefect"):  # the others are left, and hold their ports
        process.kill()
    wait_until(lambda: not one.supervisor.runs(), one.log("supervisord"))
    assert one.run("flows.up", "status").returncode == 1
    done = one.up()
    assert done.returncode == 0, done.stdout + done.stderr
    assert one.healthy()
    assert "retrain/ml-100k" in one.run("prefect", "deployment", "ls").stdout


def test_down_ends_a_flow_run_that_says_so_and_leaves_nothing_running(one: Machine) -> None:
    unhurried = '"hardware": {"compile": false}'
    long = f'settings={{"seed": 1, "gmf": {{"training": {{"max_epochs": 1000, "patience": 1000}}}}, {unhurried}}}'
    done = one.run("prefect", "--no-prompt", "deployment", "run", "retrain/ml-100k", "-p", long)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: "training gmf" in one.log().read_text().partition("seed 1")[2], one.log())
    done = one.run("flows.up", "down")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = one.supervisor.folder
    assert not leftovers(folder) and not flow_runs(folder) and not one.supervisor.runs()
    assert not (one.checkout / "prefect.toml").exists() and not (one.checkout / "mlruns" / "server").exists()
    assert "Finished in state Crashed" in one.log().read_text()
    assert one.up().returncode == 0
    assert one.unfinished() == []


def test_down_tells_of_a_flow_run_that_had_no_time_to_say_so(one: Machine) -> None:
    command = ("prefect", "--no-prompt", "deployment", "run", "retrain/ml-100k", "-p", 'settings={"seed": 2}')
    assert one.run(*command).returncode == 0
    wait_until(lambda: len(flow_runs(one.supervisor.folder)) > 0, one.log())
    assert one.run("flows.up", "down").returncode == 0
    assert one.up().returncode == 0
    assert one.unfinished() == []


def test_with_passwords_nobody_comes_in_without_them(workspace: Path) -> None:
    prefect, mlflow = "ncf:s3cr%t:/p@ss-word", "long enough 'quoted' %d"
    variables = {PREFECT: prefect, MLFLOW_USER: "ann", MLFLOW_PASSWORD: mlflow}
    with machine(workspace / "two", workspace / "cache") as two:
        refused = two.up("--host", "0.0.0.0", "--mlflow-names", "localhost")
        assert refused.returncode == 1 and "no passwords" in refused.stderr
        done = two.up(**variables)
        assert done.returncode == 0, done.stdout + done.stderr
        urls = [f"http://127.0.0.1:{two.ports[0]}/api/flows/count", f"http://127.0.0.1:{two.ports[1]}/api/2.0/mlflow/x"]
        assert requests.post(urls[0], json={}, timeout=30).status_code == 401
        assert requests.get(urls[1], timeout=30).status_code == 401
        assert requests.post(urls[0], json={}, auth=tuple(prefect.split(":", 1)), timeout=30).ok  # type: ignore[arg-type]
        without = two.run("prefect", "deployment", "ls")
        assert without.returncode != 0
        listed = two.run("prefect", "deployment", "ls", **variables)
        assert "retrain/ml-100k" in listed.stdout, listed.stderr
        assert two.up().returncode == 1
        wrong = two.up(**variables | {MLFLOW_PASSWORD: "another long one"})
        assert wrong.returncode == 1 and "another password" in wrong.stderr
        for path in (two.checkout / "mlruns").rglob("*"):
            if path.is_file():
                assert not any(word in path.read_bytes() for word in (b"p@ss-word", b"'quoted'")), path
        for process in leftovers(two.supervisor.folder):
            assert not any("p@ss-word" in word or "quoted" in word for word in process.cmdline())
