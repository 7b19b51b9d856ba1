"""Kills at random moments, from a seeded list. Run by `make test-slow`."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.registry.models import load_champion
from flows.tracking.tracker import Tracker
from ncf.files import CACHE_VARIABLE
from ncf.serving.recommender import Recommender
from tests.e2e.processes import QUICK, RUNS, environment, python_module, running, wait_until

KILLS = 12


@pytest.mark.slow
def test_killed_again_and_again_the_retraining_ends_whole(workspace: Path) -> None:
    env = environment(workspace, **{CACHE_VARIABLE: str(workspace / "cache")})
    command = python_module("flows.retrain", *QUICK)
    moments = random.Random(11)
    for kill in range(KILLS):
        log = workspace / f"{kill}.log"
        with running(command, workspace, env, log) as process:
            wait_until(lambda log=log: "Beginning flow run" in log.read_text(), log)  # type: ignore[misc]
            time.sleep(moments.uniform(0, 8))
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
        assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
    done = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr

    client = MlflowClient(f"sqlite:///{workspace}/mlruns/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("ml-100k").experiment_id])
    nested = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    assert {run.data.tags["ncf.model"] for run in nested} == RUNS and len(nested) == len(RUNS)
    assert len(found) == len(RUNS) + 1
    assert {run.info.status for run in found} == {"FINISHED"}
    assert len(client.search_model_versions("name = 'ncf-ml-100k'")) == 1
    champion = load_champion(Tracker("ml-100k"), "ncf-ml-100k")
    assert champion is not None
    file = pd.read_csv(workspace / "recommendations" / "ml-100k.csv")
    answer = Recommender(champion.bundle).recommend([1], 10)
    assert list(file.loc[file["user_id"] == 1, "item_id"]) == list(answer["item_id"])
    assert not any((workspace / "cache" / "checkpoints").iterdir())
    leftovers = [path for folder in ("mlruns", "recommendations") for path in (workspace / folder).glob(".*")]
    assert {path.name for path in leftovers} <= {".migration.lock", ".registry.lock"}
