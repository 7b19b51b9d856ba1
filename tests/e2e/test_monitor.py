"""The data drift, the monitor tells, the automation retrains once, and the monitor is content: on a real server."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter

from flows.automations.rules import retrain_after_drift
from flows.orchestration.deployments import Deployed
from flows.orchestration.tasks import DRIFTED, dataset_resource
from flows.registry.alias import Registry
from flows.tracking.tracker import Tracker
from ncf.data.config import DataConfig
from ncf.files import CACHE_VARIABLE
from ncf.ingest.config import MovieLensSource
from ncf.prepare import prepare_source
from tests.e2e.processes import (
    REPOSITORY,
    answers,
    environment,
    free_port,
    prefect_server,
    python_module,
    running,
    wait_until,
)
from tests.flows.registry.registered_models import make_champion
from tests.ncf.serving.bundles import bundle_of

SHORT = {"max_epochs": 8, "learning_rate": 0.01}
TINY = {"layers": [16, 8]}
QUICK = {
    "settings": "defaults",
    "dataset": "ml-100k",
    "gmf": {"training": SHORT},
    "mlp": {"model": TINY, "training": {"max_epochs": 1}},
    "neumf": {"model": TINY, "training": {"max_epochs": 1}},
    "neumf_pretrained": {"training": {"max_epochs": 1}},
    "promotion": {"first": "average"},
}
BEFORE = DataConfig.model_validate({"filters": {"as_of": "1998-02-01T00:00:00Z"}})

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Server:
    url: str
    env: dict[str, str]
    log: Path

    def prefect(self, *args: str) -> str:
        command = python_module("prefect", "--no-prompt", *args)
        done = subprocess.run(command, cwd=REPOSITORY, env=self.env, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr + self.log.read_text()[-3000:]
        return done.stdout

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(self.url)

    def runs(self, flow: str) -> list[FlowRun]:
        """The runs of a flow, without those that a schedule has in store."""
        with self.client() as client:
            found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
        return [run for run in found if not run.auto_scheduled]

    def all_ended(self, flow: str) -> bool:
        return all(run.state is not None and run.state.is_final() for run in self.runs(flow))

    def monitored(self) -> str | None:
        """The state in which a run of the monitor's deployment ends."""
        before = {run.id for run in self.runs("monitor")}
        self.prefect("deployment", "run", "monitor/ml-100k", "--watch")
        [run] = [run for run in self.runs("monitor") if run.id not in before]
        return run.state_name


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[Server]:
    port = free_port()
    url, tracking_uri = f"http://127.0.0.1:{port}/api", f"sqlite:///{workspace}/mlflow.db"
    own = {CACHE_VARIABLE: str(workspace / "cache"), "NCF_HOME": str(REPOSITORY)}
    env = environment(workspace, PREFECT_API_URL=url, MLFLOW_TRACKING_URI=tracking_uri, **own)
    log = workspace / "server.log"
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        stack.enter_context(running(prefect_server(port), workspace, env, log))
        wait_until(lambda: answers(f"{url}/health"), log)
        server = Server(url, env, log)
        server.prefect("work-pool", "create", "ncf", "--type", "process")
        server.prefect("deploy", "--all")
        quick = ["--name", "ml-100k", "--pool", "ncf", "--params", json.dumps({"settings": QUICK})]
        server.prefect("deploy", "flows/retrain/flow.py:retrain", *quick)
        server.prefect("deployment", "schedule", "pause", "--all")
        worker = python_module("prefect", "worker", "start", "--pool", "ncf")
        stack.enter_context(running(worker, workspace, env, workspace / "worker.log"))
        yield server


def make_untrained_champion() -> None:
    """Of what was known on 1 February; what came after is a third of the log."""
    data = prepare_source("ml-100k", MovieLensSource(), BEFORE)
    assert make_champion("ml-100k", bundle_of(data, name="gmf")) == 1


def apply_automation(server: Server) -> UUID:
    with server.client() as client:
        found = client.read_deployment_by_name("retrain/ml-100k")
        [automation] = retrain_after_drift(client, [Deployed(found.id, "retrain/ml-100k", "ml-100k")])
        assert automation.name == "ncf: retrain/ml-100k after drift"
        return client.create_automation(automation)


def test_drift_starts_one_retraining_after_which_nothing_is_new(server: Server) -> None:
    make_untrained_champion()
    apply_automation(server)
    assert server.monitored() == "Drifted"
    wait_until(lambda: len(server.runs("retrain")) > 0, server.log)
    assert server.monitored() == "Drifted"  # the retraining may be going on: the same state of the data
    wait_until(lambda: server.all_ended("retrain"), server.log, seconds=500)
    [retraining] = server.runs("retrain")
    assert retraining.state is not None
    assert retraining.state.is_completed(), retraining.state
    tracker = Tracker("ml-100k")
    assert Registry(tracker.uri, "ncf-ml-100k").champion() == 2
    assert server.monitored() == "NothingNew"
    assert len(server.runs("retrain")) == 1
    check_the_only_event(server)


def check_the_only_event(server: Server) -> None:
    """It names the data set, and carries the figures."""
    with server.client() as client:
        [event] = client.read_events(EventFilter(event=EventNameFilter(name=[DRIFTED])), limit=50).events
    assert event.resource.id == dataset_resource("ml-100k")
    roles = {related.role: related.id for related in event.related}
    assert roles["model-version"] == "ncf.model-version.ncf-ml-100k.1"
    assert roles["flow-run"].startswith("prefect.flow-run.")
    assert event.payload["figures"]["new_interactions"] == 33_006
    assert {"growth", "unknown_users"} <= {one["name"] for one in event.payload["passed"]}
    assert "33,006 new interactions" in event.payload["text"]
