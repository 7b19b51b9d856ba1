"""An MLflow server, a Prefect server and workers that can be killed and started again, each on its own."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
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
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.promotion_log import Entry, read_log
from ncf.data.sources.cache import CACHE_VARIABLE
from tests.e2e.processes import REPOSITORY, answers, environment, free_port, python_module, wait_until

NAME, DATASET = "ncf-ml-100k", "ml-100k"
ZOMBIE_SECONDS = 180.0  # after so long no run may be Running whose process is gone
MODELS = {"popularity", "gmf", "mlp", "neumf", "neumf-pretrained"}


def tiny(seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Settings that train four models in some seconds; another seed is another retraining of the same data."""
    short = {"training": {"max_epochs": 3, "learning_rate": 0.01, "patience": 50}}
    values: dict[str, Any] = {
        "seed": seed,
        "data": {"filters": {"max_users": 200}},
        "baselines": {"item_knn": {"enabled": False}, "ials": {"enabled": False}},
        "gmf": short,
        "mlp": {"model": {"layers": [16, 8]}, **short},
        "neumf": {"model": {"layers": [16, 8]}, **short},
        "neumf_pretrained": {"training": {"max_epochs": 1}},
    }
    return values | changes


def slow_gmf(seed: int, epochs: int = 400) -> dict[str, Any]:
    """Settings whose GMF trains long enough for something to happen in the middle of it."""
    return tiny(seed, gmf={"training": {"max_epochs": epochs, "learning_rate": 0.0001, "patience": 400}})


def descendants(pid: int) -> list[psutil.Process]:
    """Every process below one, the deepest last."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL, the parents first, so that none of them can report its child's death."""
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


@dataclass
class Program:
    """A command that is started, killed and started again."""

    command: list[str]
    cwd: Path
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.touch()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self) -> list[psutil.Process]:
        return descendants(self.pid)

    def kill(self, with_children: bool = True) -> None:
        """SIGKILL, to the process first."""
        assert self.process is not None
        below = self.children() if with_children else []
        self.process.kill()
        kill(below)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM to the process; what is left after a while is killed."""
        if self.process is None:
            return
        below = self.children()
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        kill(below)


@dataclass
class House:
    """The servers, and the workers by name."""

    folder: Path
    prefect_url: str
    tracking_uri: str
    prefect: Program
    mlflow: Program
    workers: dict[str, Program] = field(default_factory=dict)

    # --- what runs ----------------------------------------------------------------------------------------------------

    def machine(self, name: str, **variables: str) -> dict[str, str]:
        """The environment of a machine that shares nothing but the servers and the downloaded data."""
        home = self.folder / name
        (home / "cache").mkdir(parents=True, exist_ok=True)
        own = {
            "PREFECT_API_URL": self.prefect_url,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "NCF_HOME": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            CACHE_VARIABLE: str(home / "cache"),
        }
        return environment(home, **own | variables)

    def worker(self, name: str = "one", **variables: str) -> Program:
        """Start a worker on a machine of its own, or start it again."""
        command = python_module("prefect", "worker", "start", "--pool", "ncf", "--name", name)
        env = self.machine(name, **variables)
        program = Program(command, self.folder / name, env, self.folder / f"worker-{name}.log")
        program.start()
        self.workers[name] = program
        return program

    def cache(self, name: str = "one") -> Path:
        return self.folder / name / "cache"

    def start_prefect(self) -> None:
        self.prefect.start()
        wait_until(lambda: answers(f"{self.prefect_url}/health"), self.prefect.log)

    def start_mlflow(self) -> None:
        self.mlflow.start()
        wait_until(lambda: answers(f"{self.tracking_uri}/health"), self.mlflow.log)

    def command(self, *args: str, name: str = "desk") -> subprocess.CompletedProcess[str]:
        """A Python module run to its end on a machine without a worker."""
        return subprocess.run(
            python_module(*args), cwd=REPOSITORY, env=self.machine(name), capture_output=True, text=True, timeout=300
        )

    # --- Prefect ------------------------------------------------------------------------------------------------------

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        with temporary_settings({PREFECT_API_URL: self.prefect_url}), get_client(sync_client=True) as client:
            yield client

    def ask(self, settings: dict[str, Any], deployment: str = "retrain/ml-100k", name: str = "") -> UUID:
        """Have a deployment run. Returns the flow run's id."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            made = client.create_flow_run_from_deployment(
                found.id, parameters={"settings": {"dataset": DATASET} | settings}, **({"name": name} if name else {})
            )
            return made.id

    def run(self, flow_run: UUID) -> FlowRun:
        with self.client() as client:
            return client.read_flow_run(flow_run)

    def state(self, flow_run: UUID) -> State[Any]:
        state = self.run(flow_run).state
        assert state is not None
        return state

    def ended(self, flow_run: UUID, seconds: float = 240) -> State[Any]:
        """Wait for a flow run to end."""
        last: list[State[Any]] = []

        def is_final() -> bool:
            last[:] = [self.state(flow_run)]
            return last[0].is_final()

        wait_until(is_final, self.workers["one"].log, seconds)
        return last[0]

    def said(self, text: str, flow_run: UUID, seconds: float = 180) -> None:
        """Wait until a flow run says something."""
        wait_until(lambda: self._said(text, flow_run), self.workers["one"].log, seconds)

    def _said(self, text: str, flow_run: UUID) -> bool:
        with self.client() as client:
            found = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run])), limit=200)
        return any(text in log.message for log in found)

    def running(self) -> list[FlowRun]:
        """Flow runs that the server believes to be at work."""
        types = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
        with self.client() as client:
            return list(client.read_flow_runs(flow_run_filter=FlowRunFilter(state=types)))

    # --- MLflow -------------------------------------------------------------------------------------------------------

    @property
    def registry(self) -> MlflowClient:
        return MlflowClient(self.tracking_uri)

    def runs(self, seed: int) -> list[Any]:
        """The MLflow runs of a seed's retrainings, parents first."""
        client = self.registry
        experiment = client.get_experiment_by_name(DATASET)
        if experiment is None:
            return []
        found = client.search_runs([experiment.experiment_id], max_results=5000)
        parents = [
            run
            for run in found
            if run.data.params.get("seed") == str(seed) and "mlflow.parentRunId" not in run.data.tags
        ]
        ids = {run.info.run_id for run in parents}
        return [*parents, *(run for run in found if run.data.tags.get("mlflow.parentRunId") in ids)]

    def finished(self, seed: int) -> dict[str, str]:
        """MLflow run id of each finished model of a seed."""
        return {
            run.data.tags["ncf.model"]: run.info.run_id
            for run in self.runs(seed)
            if "ncf.model" in run.data.tags and "ncf.complete" in run.data.tags
        }

    def log(self) -> list[Entry]:
        return read_log(self.registry, NAME)


@contextmanager
def new_house(folder: Path) -> Iterator[House]:
    """Servers, work pool, deployments, automations, and the worker `one`; everything is stopped at the end."""
    ports = free_port(), free_port()
    prefect_url, tracking_uri = f"http://127.0.0.1:{ports[0]}/api", f"http://127.0.0.1:{ports[1]}"
    env = environment(folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", NCF_HOME=str(REPOSITORY))
    prefect = python_module("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(ports[0]))
    mlflow = [
        *python_module("mlflow", "server", "--host", "127.0.0.1", "--port", str(ports[1]), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/server.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    house = House(
        folder,
        prefect_url,
        tracking_uri,
        Program(prefect, REPOSITORY, env, folder / "prefect.log"),  # it reads pyproject.toml where it starts
        Program(mlflow, folder, env, folder / "mlflow.log"),
    )
    with ExitStack() as stack:
        stack.callback(house.prefect.stop)
        stack.callback(house.mlflow.stop)
        house.prefect.start()
        house.start_mlflow()
        wait_until(lambda: answers(f"{prefect_url}/health"), house.prefect.log)
        for args in (
            ("prefect", "--no-prompt", "work-pool", "create", "ncf", "--type", "process"),
            ("prefect", "--no-prompt", "deploy", "--all"),
            ("flows.automations",),
        ):
            done = house.command(*args)
            assert done.returncode == 0, done.stdout + done.stderr
        house.worker()
        stack.callback(lambda: [worker.stop() for worker in house.workers.values()])
        yield house
