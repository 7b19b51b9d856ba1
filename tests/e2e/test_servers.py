"""The daily life on real servers: an MLflow server, a Prefect server, a worker, and `prefect deployment run`."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.registry.log import read_log
from flows.registry.promotion import promote
from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import (
    QUICK_PARAMETER,
    REPOSITORY,
    RUNS,
    answers,
    environment,
    free_port,
    mlflow_server,
    prefect_server,
    python_module,
    running,
    wait_until,
)
from tests.flows.registry.placeholder_versions import change, new_registry


@dataclass(frozen=True)
class Servers:
    folder: Path
    env: dict[str, str]
    tracking_uri: str
    worker_log: Path

    def prefect(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = python_module("prefect", "--no-prompt", *args)
        return subprocess.run(command, cwd=REPOSITORY, env=self.env, capture_output=True, text=True, timeout=300)

    def deploy(self) -> None:
        """All deployments; their runs start when they are told to, whatever the time of the test."""
        for args in (["deploy", "--all"], ["deployment", "schedule", "pause", "--all"]):
            done = self.prefect(*args)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def servers(workspace: Path) -> Iterator[Servers]:
    prefect_port, mlflow_port = free_port(), free_port()
    tracking_uri = f"http://127.0.0.1:{mlflow_port}"
    env = environment(
        workspace,
        PREFECT_API_URL=f"http://127.0.0.1:{prefect_port}/api",
        MLFLOW_TRACKING_URI=tracking_uri,
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        NCF_HOME=str(REPOSITORY),
        **{CACHE_VARIABLE: str(workspace / "cache")},
    )
    log, worker_log = workspace / "servers.log", workspace / "worker.log"
    with ExitStack() as stack:
        for command in (prefect_server(prefect_port), mlflow_server(mlflow_port, workspace)):
            stack.enter_context(running(command, workspace, env, log))
        wait_until(lambda: answers(f"http://127.0.0.1:{prefect_port}/api/health"), log)
        wait_until(lambda: answers(f"{tracking_uri}/health"), log)
        servers = Servers(workspace, env, tracking_uri, worker_log)
        created = servers.prefect("work-pool", "create", "ncf", "--type", "process")
        assert created.returncode == 0, created.stdout + created.stderr
        servers.deploy()
        worker = python_module("prefect", "worker", "start", "--pool", "ncf")
        stack.enter_context(running(worker, workspace, env, worker_log))
        yield servers


def test_a_deployment_run_registers_a_champion_that_answers(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    done = servers.prefect("deployment", "run", "retrain/ml-100k", "-p", QUICK_PARAMETER, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + servers.worker_log.read_text()[-3000:]
    client = MlflowClient(servers.tracking_uri)
    found = client.search_runs([client.get_experiment_by_name("ml-100k").experiment_id])
    assert {run.data.tags["ncf.model"] for run in found if "mlflow.parentRunId" in run.data.tags} == RUNS
    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.tracking_uri)
    mlflow.set_tracking_uri(servers.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/ncf-ml-100k@champion")
    assert len(model.predict(pd.DataFrame({"user_id": [1, 2]}))) == 20
    artifacts = servers.prefect("artifact", "ls")
    assert "ml-100k-models" in artifacts.stdout and "ml-100k-report" in artifacts.stdout


@pytest.mark.slow
def test_a_deployment_run_tunes_and_the_next_retraining_takes_what_was_found(servers: Servers) -> None:
    narrow = '"gmf": {"model": {"embedding_dim": 24}, "training": {"max_epochs": 3}}'  # no retraining had that
    fixed = '"space": {"gmf.model.embedding_dim": null}, "data": {"filters": {"max_users": 500}}'
    budget = '"model": "gmf", "start": "defaults", "budget": {"trials": 2}, "confirm_seeds": 1, "workers": 2'
    tiny = f"settings={{{narrow}, {fixed}, {budget}}}"
    done = servers.prefect("deployment", "run", "tune/ml-100k", "-p", tiny, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + servers.worker_log.read_text()[-3000:]
    assert "ml-100k-gmf-tuned" in servers.prefect("artifact", "ls").stdout
    client = MlflowClient(servers.tracking_uri)
    experiment = client.get_experiment_by_name("ml-100k").experiment_id
    tuning = client.search_runs([experiment], "tags.`ncf.tuning` = 'gmf'")
    assert [run.info.status for run in tuning] == ["FINISHED"]
    with_tuned = QUICK_PARAMETER.replace('"defaults"', '"tuned"')
    again = servers.prefect("deployment", "run", "retrain/ml-100k", "-p", with_tuned, "--watch")
    assert again.returncode == 0, again.stdout + again.stderr + servers.worker_log.read_text()[-3000:]
    retrained = client.search_runs([experiment], "tags.`ncf.settings` = 'tuned' and tags.`ncf.tuned_by` LIKE 'gmf%'")
    assert len(retrained) == 2, "the retraining, and its GMF"
    assert {
        run.data.params.get("gmf.model.embedding_dim", run.data.params.get("model.embedding_dim")) for run in retrained
    } == {"24"}


@pytest.mark.slow
def test_a_deployment_run_replays_the_log(servers: Servers) -> None:
    cut = '"data": {"filters": {"max_users": 500}}, "gmf": {"training": {"max_epochs": 2}}'
    wide = f'settings={{{cut}, "window_days": 56, "policies": ["56d", "never"]}}'
    done = servers.prefect("deployment", "run", "backtest/ml-100k", "-p", wide, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + servers.worker_log.read_text()[-3000:]
    artifacts = servers.prefect("artifact", "ls").stdout
    assert all(f"ml-100k-backtest-{what}" in artifacts for what in ("progress", "policies", "report"))
    client = MlflowClient(servers.tracking_uri)
    experiment = client.get_experiment_by_name("ml-100k").experiment_id
    moments = client.search_runs([experiment], "tags.`ncf.as_of` LIKE '199%'")
    assert len(moments) == 2 and {run.info.status for run in moments} == {"FINISHED"}
    parent = client.get_run(moments[0].data.tags["mlflow.parentRunId"])
    assert {"backtest.png", "backtest.html"} <= {file.path for file in client.list_artifacts(parent.info.run_id)}
    refused = servers.prefect("deployment", "run", "backtest/ml-100k", "-p", 'settings={"policies": ["fortnightly"]}')
    assert refused.returncode != 0 and "fortnightly" in refused.stdout + refused.stderr


def test_a_deployment_writes_the_champions_recommendations(servers: Servers) -> None:
    path = servers.folder / "lists" / "top-3.parquet"
    wanted = json.dumps({"dataset": "ml-100k", "top_k": 3, "output": {"path": str(path)}})
    done = servers.prefect("deployment", "run", "recommend/ml-100k", "-p", f"settings={wanted}", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + servers.worker_log.read_text()[-3000:]
    frame = pd.read_parquet(path)
    assert frame.groupby("user_id").size().to_dict() == dict.fromkeys(range(1, 501), 3)
    assert set(frame["source"]) == {"model"}


def test_a_wrong_parameter_is_refused_when_the_run_is_asked_for(servers: Servers) -> None:
    done = servers.prefect("deployment", "run", "retrain/ml-100k", "-p", 'settings={"seeed": 1}')
    assert done.returncode != 0
    assert "seeed" in done.stdout + done.stderr


@pytest.mark.slow
def test_deployments_promote_by_hand_and_roll_back(servers: Servers) -> None:
    registry = new_registry(servers.tracking_uri, versions=2)
    promote(registry, change(1), None)
    for args, champion in (
        (["promote/ml-100k", "-p", 'settings={"dataset": "shop", "version": 2, "reason": "for the holidays"}'], 2),
        (["rollback/ml-100k", "-p", 'settings={"dataset": "shop"}'], 1),
    ):
        done = servers.prefect("deployment", "run", *args, "--watch")
        assert done.returncode == 0, done.stdout + done.stderr + servers.worker_log.read_text()[-3000:]
        assert registry.champion() == champion
    entries = read_log(registry.client, registry.name)
    assert [entry.what for entry in entries] == ["promoted", "by hand", "rolled back"]
    assert entries[1].who.startswith("promote/ml-100k, flow run promote shop, ")
    assert entries[1].reason == "for the holidays"
    refused = servers.prefect("deployment", "run", "promote/ml-100k", "-p", 'settings={"dataset": "shop"}')
    assert refused.returncode != 0 and "version" in refused.stdout + refused.stderr


@pytest.mark.slow
def test_deploying_twice_keeps_one_deployment_with_its_schedule(servers: Servers) -> None:
    servers.deploy()
    listed = servers.prefect("deployment", "ls").stdout
    for name in ("retrain/ml-100k", "rollback/ml-100k", "promote/ml-100k"):
        assert listed.count(name) == 1
    assert "0 3 * * *" in servers.prefect("deployment", "schedule", "ls", "retrain/ml-100k").stdout
