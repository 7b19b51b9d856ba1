"""An MLflow server, a Prefect server and workers that can be killed and started again, each on its own."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from mlflow import MlflowClient
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from ncf.files import CACHE_VARIABLE
from tests.e2e.checkouts import link_checkout
from tests.e2e.faults.fault_injection import FAULT, FOLDER
from tests.e2e.faults.programs import Program
from tests.e2e.faults.tiny_retraining import tiny_settings, write_log
from tests.e2e.processes import (
    REPOSITORY,
    answers,
    environment,
    free_port,
    mlflow_server,
    prefect_server,
    python_module,
    wait_until,
)

FAULTY_FLOW = "tests/e2e/faults/fault_injection.py:retrain"
RECOMMENDED = "daily"  # the data set whose promotions are followed by recommendations
COPIED = (
    *("flow_id", "entrypoint", "path", "pull_steps", "work_pool_name", "tags", "job_variables", "concurrency_options"),
    *("enforce_parameter_schema", "parameter_openapi_schema"),
)
AT_WORK = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


@dataclass
class Cluster:
    """The servers, and the workers by name. Each data set has a log, deployments, and a work queue of its own."""

    folder: Path
    datasets: tuple[str, ...]
    ports: tuple[int, int]
    prefect: Program
    mlflow: Program
    workers: dict[str, Program] = field(default_factory=dict)

    @property
    def prefect_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/api"

    @property
    def tracking_uri(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def registry(self) -> MlflowClient:
        return MlflowClient(self.tracking_uri)

    # --- what runs ----------------------------------------------------------------------------------------------------

    def environment_of(self, name: str, **variables: str) -> dict[str, str]:
        """The environment of a machine that shares nothing but the servers and the logs."""
        home = self.folder / name
        for folder in (home / "cache", home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        own = {
            "PREFECT_API_URL": self.prefect_url,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "NCF_HOME": str(self.folder / "checkout"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",  # what a run said before its death is to be read
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(home / "tmp"),
            CACHE_VARIABLE: str(home / "cache"),
        }
        return environment(home, **own | variables)

    def worker(self, name: str, *datasets: str, limit: int = 10, **variables: str) -> Program:
        """Start a worker on a machine of its own, or start it again; it runs what these data sets' queues have."""
        options = ["--pool", "ncf", "--name", name, "--limit", str(limit)]
        options += [word for dataset in datasets for word in ("--work-queue", dataset)]
        command = python_module("prefect", "worker", "start", *options)
        env = self.environment_of(name, **variables)
        program = Program(command, self.folder / name, env, self.folder / f"worker-{name}.log")
        program.start()
        self.workers[name] = program
        return program

    def stop_workers(self) -> None:
        for worker in self.workers.values():
            worker.stop()

    def cache(self, name: str = "one") -> Path:
        return self.folder / name / "cache"

    def log_of(self, dataset: str) -> Path:
        return self.folder / "logs" / f"{dataset}.csv"

    def start_prefect(self) -> None:
        self.prefect.start()
        wait_until(lambda: answers(f"{self.prefect_url}/health"), self.prefect.log)

    def start_mlflow(self) -> None:
        self.mlflow.start()
        wait_until(lambda: answers(f"{self.tracking_uri}/health"), self.mlflow.log)

    def command(self, *args: str, name: str = "desk", **variables: str) -> subprocess.CompletedProcess[str]:
        """A Python module run to its end, in the checkout, on a machine without a worker."""
        return subprocess.run(
            python_module(*args),
            cwd=self.folder / "checkout",
            env=self.environment_of(name, **variables),
            capture_output=True,
            text=True,
            timeout=300,
        )

    # --- Prefect ------------------------------------------------------------------------------------------------------

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client that is patient: a busy machine's SQLite answers 503 now and then."""
        own = {PREFECT_API_URL: self.prefect_url, PREFECT_CLIENT_MAX_RETRIES: 15}
        with temporary_settings(own), get_client(sync_client=True) as client:
            yield client

    def start_run(self, dataset: str, seed: int = 0, fault: str = "", **changes: Any) -> UUID:
        """Have the deployment retrain a data set, as a schedule does, or the one whose runs meet a fault."""
        settings = tiny_settings(dataset, self.log_of(dataset), seed, **changes)
        name = f"retrain/{dataset}{'-faulty' if fault else ''}"
        variables = {FAULT: fault, FOLDER: str(self.fault_folder(dataset))} if fault else {}
        with self.client() as client:
            found = client.read_deployment_by_name(name)
            made = client.create_flow_run_from_deployment(
                found.id, parameters={"settings": settings}, job_variables={"env": variables}
            )
            return made.id

    def fault_folder(self, dataset: str) -> Path:
        return self.folder / "faults" / dataset

    def wait_until_held(self, dataset: str, seconds: float = 400) -> None:
        """Wait until a run is held at its moment."""
        wait_until((self.fault_folder(dataset) / "held").exists, self.some_log(), seconds)

    def release(self, dataset: str) -> None:
        """Let it go on."""
        (self.fault_folder(dataset) / "go").touch()

    def reset_hold(self, dataset: str) -> None:
        """Forget an earlier one."""
        for name in ("held", "go"):
            (self.fault_folder(dataset) / name).unlink(missing_ok=True)

    def flow_run(self, flow_run: UUID) -> FlowRun:
        with self.client() as client:
            return client.read_flow_run(flow_run)

    def state(self, flow_run: UUID) -> State[Any]:
        state = self.flow_run(flow_run).state
        assert state is not None
        return state

    def wait_for_end(self, flow_run: UUID, seconds: float = 500) -> State[Any]:
        """Wait for a flow run to end."""
        wait_until(lambda: self.state(flow_run).is_final(), self.some_log(), seconds)
        return self.state(flow_run)

    def wait_for_log(self, text: str, flow_run: UUID, seconds: float = 180) -> None:
        """Wait until a flow run says something."""
        wait_until(lambda: text in self.run_log(flow_run), self.some_log(), seconds)

    def run_log(self, flow_run: UUID) -> str:
        """All that a flow run said."""
        with self.client() as client:
            found = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run])), limit=200)
        return "\n".join(log.message for log in found)

    def active_runs(self) -> list[FlowRun]:
        """Flow runs that the server believes to be at work."""
        types = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(AT_WORK)))
        with self.client() as client:
            return list(client.read_flow_runs(flow_run_filter=FlowRunFilter(state=types)))

    def some_log(self) -> Path:
        """A worker's log, to be shown when a wait ends in vain."""
        return next((worker.log for worker in self.workers.values()), self.prefect.log)


def write_prefect_yaml(folder: Path, *datasets: str) -> None:
    """What retrains each data set, as in prefect.yaml but unscheduled, as it is and with faults; and one recommend."""
    content = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    retrain, recommend = (
        next(each for each in content["deployments"] if each["entrypoint"] == f"flows/{name}/flow.py:{name}")
        for name in ("retrain", "recommend")
    )
    retrain.pop("schedules")
    deployments = []
    for dataset in datasets:
        pool = {**retrain["work_pool"], "work_queue_name": dataset}
        own = {**retrain, "name": dataset, "work_pool": pool, "parameters": parameters_of(folder, dataset)}
        deployments += [own, {**own, "name": f"{dataset}-faulty", "entrypoint": FAULTY_FLOW}]
        if dataset == RECOMMENDED:
            only = {"settings": {"dataset": dataset}}
            deployments.append({**recommend, "name": dataset, "work_pool": pool, "parameters": only})
    (folder / "prefect.yaml").write_text(yaml.safe_dump(content | {"deployments": deployments}))


def parameters_of(checkout: Path, dataset: str) -> dict[str, Any]:
    return {"settings": {"dataset": dataset, "source": {"path": str(checkout.parent / "logs" / f"{dataset}.csv")}}}


def deploy(cluster: Cluster) -> None:
    """Deploy one data set as a user does, and copy its deployments for the others: that takes no time."""
    checkout = cluster.folder / "checkout"
    write_prefect_yaml(checkout, RECOMMENDED)
    done = cluster.command("flows.up.set_up")
    assert done.returncode == 0, done.stdout + done.stderr
    write_prefect_yaml(checkout, *cluster.datasets)
    with cluster.client() as client:
        for kind in ("", "-faulty"):
            made = client.read_deployment_by_name(f"retrain/{RECOMMENDED}{kind}")
            same = {name: getattr(made, name) for name in COPIED}
            assert made.global_concurrency_limit is not None
            for dataset in cluster.datasets:
                if dataset != RECOMMENDED:
                    client.create_deployment(
                        name=f"{dataset}{kind}",
                        work_queue_name=dataset,
                        parameters=parameters_of(checkout, dataset),
                        concurrency_limit=made.global_concurrency_limit.limit,
                        **same,
                    )


@contextmanager
def running_cluster(folder: Path, datasets: tuple[str, ...]) -> Iterator[Cluster]:
    """Servers, work pool, deployments and automations; no worker yet. Everything is stopped at the end."""
    ports = free_port(), free_port()
    for seed, dataset in enumerate(datasets):
        write_log(folder / "logs" / f"{dataset}.csv", seed)
    link_checkout(folder / "checkout", "tests")
    env = environment(folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    knowing_itself = env | {"PREFECT_API_URL": f"http://127.0.0.1:{ports[0]}/api"}  # for the links in notifications
    cluster = Cluster(
        folder,
        datasets,
        ports,
        Program(
            prefect_server(ports[0]), REPOSITORY, knowing_itself, folder / "prefect.log"
        ),  # it reads pyproject.toml where it starts
        Program(mlflow_server(ports[1], folder), folder, env, folder / "mlflow.log"),
    )
    with ExitStack() as stack:
        for program in (cluster.prefect, cluster.mlflow):
            stack.callback(program.stop)
        cluster.prefect.start()
        cluster.start_mlflow()
        wait_until(partial(answers, f"{cluster.prefect_url}/health"), cluster.prefect.log)
        deploy(cluster)
        stack.callback(cluster.stop_workers)
        yield cluster


def seconds_since(moment: float) -> int:
    """Whole seconds since a moment of time.monotonic."""
    return round(time.monotonic() - moment)
