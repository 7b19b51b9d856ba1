"""A checkout that is copied, moved, and moved in the middle of a run, with the real commands."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.tracking.store import global_store
from ncf.files import CACHE_VARIABLE
from tests.e2e.checkouts import link_checkout
from tests.e2e.processes import (
    QUICK,
    UNHURRIED,
    answers,
    environment,
    free_port,
    mlflow_server,
    python_module,
    running,
    wait_until,
)

NAME = "ncf-ml-100k"


class Checkout:
    """A folder to run commands in."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env

    def run(self, module: str, *options: str) -> str:
        done = subprocess.run(
            python_module(module, *options), cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def content(self) -> dict[str, bytes]:
        """All files of the user's: those of the code are links."""
        folders = (self.folder / name for name in ("mlruns", "recommendations"))
        return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    def weights(self) -> set[str]:
        """The files of weights."""
        return {str(path.relative_to(self.folder)) for path in self.folder.glob("mlruns/artifacts/**/*.safetensors")}


@pytest.fixture
def env(workspace: Path) -> dict[str, str]:
    return environment(workspace, **{CACHE_VARIABLE: str(workspace / "cache")})


@pytest.mark.slow
def test_a_copied_checkout_leaves_the_original_alone_and_a_moved_one_goes_on(
    tmp_path: Path, env: dict[str, str]
) -> None:
    original = Checkout(tmp_path / "original", env)
    link_checkout(original.folder)
    original.run("flows.retrain", *QUICK)

    copied = Checkout(Path(shutil.copytree(original.folder, tmp_path / "copy", symlinks=True)), env)
    before, weights = original.content(), original.weights()
    retrain = ("flows.retrain", *QUICK, "--seed", "5", "--keep-versions", "1")
    copied.run(*retrain)
    assert copied.weights() - weights, "its weights are its own"
    assert weights - copied.weights(), "its old weights are gone"

    moved = Checkout(tmp_path / "100% neu, über" / "ncf", env)
    moved.folder.parent.mkdir()
    copied.folder.rename(moved.folder)
    shutil.rmtree(moved.folder / "recommendations")
    moved.run("flows.recommend")
    lists = pd.read_csv(moved.folder / "recommendations" / "ml-100k.csv")
    assert lists["user_id"].nunique() == 500
    assert "Nothing has changed" in moved.run(*retrain)
    moved.run("flows.registry", "promote", "--version", "2", "--force", "--reason", "to roll it back")
    assert "Version 1 is the champion" in moved.run("flows.registry", "rollback", "--reason", "as before")
    assert not copied.folder.exists()
    assert original.content() == before

    port, log = free_port(), tmp_path / "mlflow.log"
    command = mlflow_server(port, moved.folder / "mlruns", "mlflow.db")
    url = f"http://127.0.0.1:{port}"
    with running(command, moved.folder, env | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, log):
        wait_until(lambda: answers(f"{url}/health"), log)
        client = MlflowClient(url)
        champion = client.get_model_version_by_alias(NAME, "champion")
        assert "bundle" in {file.path for file in client.list_artifacts(str(champion.run_id))}
        with global_store(url):
            found = mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion", dst_path=str(tmp_path / "loaded"))
        assert list(Path(found).rglob("weights.safetensors"))


@pytest.mark.slow
def test_a_run_that_was_interrupted_goes_on_where_the_checkout_was_moved(
    tmp_path: Path, workspace: Path, env: dict[str, str]
) -> None:
    before, after, log = tmp_path / "before", tmp_path / "after", tmp_path / "killed.log"
    link_checkout(before)
    with running(python_module("flows.retrain", *QUICK, UNHURRIED), before, env, log) as process:
        wait_until(lambda: "training mlp" in log.read_text(), log)
        wait_until(lambda: any((workspace / "cache" / "checkpoints").glob("*/*.ckpt")), log)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before.rename(after)
    shown = Checkout(after, env).run("flows.retrain", *QUICK, UNHURRIED)
    assert "gmf is already trained" in shown
    assert "training mlp from its last checkpoint" in shown
    assert not before.exists()
