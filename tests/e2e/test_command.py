"""`python -m flows.retrain` as a user runs it: killed half-way, interrupted, and run again."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import BASELINES, QUICK, RUNS, UNHURRIED, environment, python_module, running, wait_until


@pytest.fixture(scope="module")
def env(workspace: Path) -> dict[str, str]:
    return environment(workspace, **{CACHE_VARIABLE: str(workspace / "cache")})


def nested(workspace: Path) -> dict[str, tuple[str, int]]:
    """Run id and start time of each nested run, by name."""
    client = MlflowClient(f"sqlite:///{workspace}/mlruns/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("ml-100k").experiment_id])
    runs = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    assert len({run.data.tags["ncf.model"] for run in runs}) == len(runs), "a model has two runs"
    return {run.data.tags["ncf.model"]: (run.info.run_id, run.info.start_time) for run in runs}


@pytest.mark.slow
def test_killed_and_interrupted_the_same_command_goes_on(workspace: Path, env: dict[str, str]) -> None:
    command = python_module("flows.retrain", *QUICK, UNHURRIED)
    logs = [workspace / f"{name}.log" for name in ("killed", "interrupted")]

    with running(command, workspace, env, logs[0]) as process:
        wait_until(lambda: "training mlp" in logs[0].read_text(), logs[0])
        wait_until(lambda: any((workspace / "cache" / "checkpoints").glob("*/*.ckpt")), logs[0])
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    after_kill = nested(workspace)
    assert BASELINES | {"gmf"} <= after_kill.keys()

    with running(command, workspace, env, logs[1]) as process:
        wait_until(lambda: "training neumf\n" in logs[1].read_text(), logs[1])
        os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to every process of the command
        assert process.wait(timeout=60) == 130
    assert "gmf is already trained" in logs[1].read_text()
    assert "training mlp from its last checkpoint" in logs[1].read_text()
    assert "the same command continues from there" in logs[1].read_text()
    assert "Crash detected" not in logs[1].read_text(), "one line says that it was interrupted"
    assert "Traceback" not in logs[1].read_text()

    for trained in (True, False):
        result = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, timeout=300)
        shown = result.stdout + result.stderr
        assert result.returncode == 0, shown
        assert "Traceback" not in shown
        assert ("Nothing has changed" not in shown) is trained
        assert "mlflow server --backend-store-uri sqlite:////" in shown, "what to type where there is no Makefile"
        assert "then http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=ncf-" in shown
        assert "ncf retrain --data.filters.max-users 500" in shown
    finished = nested(workspace)
    assert finished.keys() == RUNS
    for name in (*BASELINES, "gmf"):
        assert finished[name] == after_kill[name], "what was finished was done again"
    assert finished["mlp"] == after_kill["mlp"], "an interrupted training began anew"
    assert not any((workspace / "cache" / "checkpoints").iterdir()), "checkpoints of finished models stay"
    client = MlflowClient(f"sqlite:///{workspace}/mlruns/mlflow.db")
    assert [version.version for version in client.search_model_versions("name = 'ncf-ml-100k'")] in (["1"], [1])


def test_a_wrong_setting_ends_at_once_with_its_name(workspace: Path, env: dict[str, str]) -> None:
    command = python_module("flows.retrain", "--gmf.training.batch-size=0")
    result = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith("error: --gmf.training.batch-size: got '0'")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_without_any_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9"
    env = environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache")})
    env |= {"https_proxy": closed, "http_proxy": closed, "HTTPS_PROXY": closed, "HTTP_PROXY": closed}
    env["no_proxy"] = "127.0.0.1"
    env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": closed, "PIP_RETRIES": "0"}
    env = {key: value for key, value in env.items() if key not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")}
    result = subprocess.run(
        python_module("flows.retrain"), cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode == 1
    assert len(errors) == 1, result.stderr
    for words in ("MovieLens 100K could not be downloaded", "GroupLens", "package index", CACHE_VARIABLE):
        assert words in errors[0]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "cache" / "movielens" / "ml-100k").exists()
