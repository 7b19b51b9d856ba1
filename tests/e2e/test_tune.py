"""`python -m flows.tune` as a user runs it: killed, interrupted, with several workers, on several machines at once."""

import os
import re
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import (
    UNHURRIED,
    answers,
    environment,
    free_port,
    prefect_server,
    python_module,
    running,
    wait_until,
)
from tests.postgres import Postgres

pytestmark = pytest.mark.slow

SMALL = [
    *("--data.filters.max-users=500", "--model=gmf", "--gmf.model.embedding-dim=16", "--confirm-seeds=1"),
    *("--start=defaults", UNHURRIED),
    *("--gmf.training.patience=1000", "--gmf.training.max-epochs=40", "--sampler.kind=random", "--pruner.kind=none"),
    '--space={"gmf.training.max_epochs": null, "gmf.training.schedule": null, "gmf.model.embedding_dim": null}',
    *("--storage.heartbeat-seconds=1", "--storage.grace-seconds=3"),
]


def tune(*args: str) -> list[str]:
    return python_module("flows.tune", *SMALL, *args)


@pytest.fixture
def folder(workspace: Path, tmp_path: Path) -> Path:
    """A folder of its own for each test, with the data of the workspace's cache."""
    return tmp_path


@pytest.fixture
def env(workspace: Path, folder: Path) -> dict[str, str]:
    return environment(workspace, **{CACHE_VARIABLE: str(workspace / "cache")})


def all_runs(folder: Path) -> list[Run]:
    """Of the tuning, oldest first; none as long as there is no store."""
    if not (folder / "mlruns" / "mlflow.db").exists():
        return []
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("ml-100k")
    return list(client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])) if experiment else []


def trials(folder: Path) -> dict[int, Run]:
    found = [run for run in all_runs(folder) if "ncf.trial" in run.data.tags]
    assert len({run.data.tags["ncf.trial"] for run in found}) == len(found), "a trial has two runs"
    return {int(run.data.tags["ncf.trial"]): run for run in found}


def states(folder: Path) -> Counter[str]:
    return Counter(run.data.tags.get("ncf.state", "running") for run in trials(folder).values())


def settings_of(run: Run) -> dict[str, str]:
    return {name: value for name, value in run.data.params.items() if name.startswith("training.")}


def is_training(folder: Path, finished: int) -> bool:
    """Whether so many trials are complete and another has trained for some epochs."""
    found = trials(folder).values()  # read once: both are of the same moment
    open_ones = [run for run in found if "ncf.state" not in run.data.tags and "train/loss" in run.data.metrics]
    return sum(run.data.tags.get("ncf.state") == "complete" for run in found) >= finished and bool(open_ones)


def check_whole(folder: Path, complete: int) -> None:
    """One tuning, with exactly so many finished trials, no two alike, and one conclusion."""
    parents = [run for run in all_runs(folder) if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.status for run in parents] == ["FINISHED"]
    assert parents[0].data.tags["ncf.complete"] == "true"
    assert states(folder)["complete"] == complete and states(folder)["running"] == 0
    done = [run for run in trials(folder).values() if run.data.tags["ncf.state"] == "complete"]
    assert len({tuple(settings_of(run).items()) for run in done}) == complete, "the same settings ran twice"
    confirmed = Counter(run.info.run_name for run in all_runs(folder) if run.info.run_name.startswith("confirm"))
    assert confirmed["confirm default, seed 1"] == 1 and max(confirmed.values()) == 1


@pytest.mark.parametrize("whom", ["all", "parent"])
def test_killed_in_the_middle_of_a_trial_the_same_command_goes_on(folder: Path, env: dict[str, str], whom: str) -> None:
    log = folder / "killed.log"
    with running(tune("--budget.trials=3"), folder, env, log) as process:
        wait_until(lambda: is_training(folder, finished=1), log)
        workers = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in workers if "flows.tune.worker" in child.cmdline()]
        assert len(workers) == 1
        if whom == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs(workers, timeout=60)
        assert gone and not alive, "a worker must not outlive its parent"
    before = trials(folder)
    killed = {number for number, run in before.items() if run.data.tags.get("ncf.state") != "complete"}
    assert len(killed) == 1

    again = subprocess.run(tune("--budget.trials=3"), cwd=folder, env=env, capture_output=True, text=True, timeout=400)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Traceback" not in again.stdout + again.stderr
    check_whole(folder, complete=3)
    after = trials(folder)
    for number in before.keys() - killed:
        assert after[number].info.run_id == before[number].info.run_id
        assert after[number].info.start_time == before[number].info.start_time, "what was finished ran twice"
    for number in killed:
        assert after[number].data.tags["ncf.state"] == "interrupted" and after[number].info.status == "KILLED"
        retries = [run for run in after.values() if run.data.tags.get("ncf.retry_of") == str(number)]
        assert [settings_of(run) for run in retries] == [settings_of(after[number])]


def test_ctrl_c_says_how_to_go_on_and_queues_the_trial_again(folder: Path, env: dict[str, str]) -> None:
    log = folder / "interrupted.log"
    with running(tune("--budget.trials=2"), folder, env, log) as process:
        wait_until(lambda: is_training(folder, finished=0), log)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to every process of the command
        assert process.wait(timeout=90) == 130
    assert "the same command continues from there" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert states(folder) == {"interrupted": 1}
    parent = next(run for run in all_runs(folder) if "mlflow.parentRunId" not in run.data.tags)
    assert parent.info.status == "KILLED"
    again = subprocess.run(tune("--budget.trials=2"), cwd=folder, env=env, capture_output=True, text=True, timeout=400)
    assert again.returncode == 0, again.stdout + again.stderr
    check_whole(folder, complete=2)


def test_of_two_workers_one_is_killed_and_the_other_takes_over(folder: Path, env: dict[str, str]) -> None:
    log = folder / "workers.log"
    with running(tune("--budget.trials=5", "--workers=2"), folder, env, log) as process:
        wait_until(lambda: states(folder)["running"] == 2 and is_training(folder, finished=0), log)
        workers = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in workers if "flows.tune.worker" in child.cmdline()]
        assert len(workers) == 2
        workers[0].kill()
        assert process.wait(timeout=400) == 0, log.read_text()[-3000:]
    assert re.search(r"worker [12] died \(signal SIGKILL\)", log.read_text())
    check_whole(folder, complete=5)
    assert states(folder)["interrupted"] == 1


def test_the_same_command_on_two_machines_shares_one_study_on_postgresql(
    folder: Path, env: dict[str, str], postgres: Postgres
) -> None:
    postgres.run("DROP DATABASE IF EXISTS studies WITH (FORCE)", "CREATE DATABASE studies")
    port = free_port()
    shared = {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db",
        "NCF_STUDY_URL": postgres.url().removesuffix("/postgres") + "/studies",
    }
    machines = [folder / "one", folder / "two"]
    logs = [machine / "tune.log" for machine in machines]
    with ExitStack() as stack:
        stack.enter_context(running(prefect_server(port), folder, env, folder / "server.log"))
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/api/health"), folder / "server.log")
        processes = []
        for machine, log in zip(machines, logs, strict=True):
            machine.mkdir()
            processes.append(stack.enter_context(running(tune("--budget.trials=6"), machine, env | shared, log)))
        for process, log in zip(processes, logs, strict=True):
            assert process.wait(timeout=500) == 0, log.read_text()[-3000:]
    told = [log.read_text() for log in logs]
    check_whole(folder, complete=6)
    assert sum("this search is already finished" in text for text in told) == 1, "it was finished twice"
    verdicts = {re.search(r"gmf: (no trial|trial \d+)", text).group() for text in told}
    assert len(verdicts) == 1
    assert all("s3cr" not in text and quote("@ss") not in text for text in told), "the password was shown"
