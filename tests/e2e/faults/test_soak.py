"""Many retrainings in a row, each of other data, with faults from a seeded list: `make soak` makes 50.

Each is a process of its own (forked_retrainings.py), which may be killed; the servers are those of the other faults.
"""

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from mlflow import MlflowClient
from prefect.client.schemas.objects import FlowRun

from flows.registry.alias import CHAMPION, version_by_alias, why_incomplete
from tests.e2e.faults.cluster import Cluster, seconds_since
from tests.e2e.faults.invariants import COMPLETE, MODEL, assert_log_is_unbroken, runs_of
from tests.e2e.faults.reliability import Reliability
from tests.e2e.faults.test_servers_away import lock
from tests.e2e.faults.test_workers import ZOMBIE_SECONDS
from tests.e2e.faults.tiny_retraining import tiny_settings, write_log
from tests.e2e.processes import options_of, python_module, wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(5400)]
DATASET, MACHINE, NAME = "soak", "soaker", "ncf-soak"
SEED, KEEP = 8, 3
STAGES = (
    "kill before flows.prepare.flow.load_prepared",
    "kill epoch gmf 2",
    "kill epoch mlp 3",
    "kill before flows.retrain.train.training_chart",
    "kill epoch neumf-pretrained 2",
    "kill epoch refit 2",
    "kill before flows.registry.newest_log.named",
    "kill before mlflow.register_model",
    "kill after mlflow.register_model",
    "kill before flows.registry.models.promote",
    "kill after flows.registry.models.promote",
    "kill before flows.recommend.flow.write_lists",
    "kill after flows.retrain.flow.log_comparison",
)
FAULTS = {
    "undisturbed": 6,
    "killed in a stage": 3,
    "killed at a random moment": 2,
    "Prefect server killed and started again": 1,
    "MLflow server killed and started again": 1,
    "MLflow's database locked for 5 s": 1,
}
MEMORY_GROWTH, MEMORY_SLACK_MB, HISTORY_MB = 1.25, 60.0, 1.5


@dataclass(frozen=True)
class Size:
    """What there is after a retraining.

    Attributes:
        weights: files of model weights that MLflow keeps.
        mlflow_mb, prefect_mb: of databases and files.
        cache_mb: of the machine that retrains.
        servers_mb: memory of both servers.
    """

    weights: int
    mlflow_mb: float
    prefect_mb: float
    cache_mb: float
    servers_mb: float


def megabytes(*places: Path) -> float:
    files = [path for place in places for path in (place.rglob("*") if place.is_dir() else [place])]
    return round(sum(path.stat().st_size for path in files if path.is_file()) / 1e6, 1)


class Soak:
    """Retrains one data set again and again."""

    def __init__(self, cluster: Cluster, orders: IO[str], answers: IO[str]) -> None:
        self.cluster, self.orders, self.answers = cluster, orders, answers
        self.chance = random.Random(SEED)
        self.happened: Counter[str] = Counter()
        self.sizes: list[Size] = []
        self.log = cluster.folder / "soak.log"

    def once(self, number: int) -> None:
        """Retrain on new data, with a fault perhaps; a killed one goes on, or is never heard of again."""
        write_log(self.cluster.log_of(DATASET), seed=1000 + number)
        fault = self.chance.choices(list(FAULTS), list(FAULTS.values()))[0]
        self.happened[fault] += 1
        stage = self.chance.choice(STAGES) if fault == "killed in a stage" else ""
        kill_after = self.chance.uniform(0.5, 8) if fault == "killed at a random moment" else 0.0
        self.ask(stage, kill_after)
        self.strike(fault)
        code = self.code()
        assert code == 0 or (code == -9 and "killed" in fault), (number, fault, stage, self.log.read_text()[-3000:])
        if code == -9:
            self.happened["killed"] += 1
            if self.chance.random() < 0.5:
                self.happened["killed, gone on with"] += 1
                self.ask()
                assert self.code() == 0, (number, fault, stage, self.log.read_text()[-3000:])
        self.sizes.append(self.size())

    def ask(self, fault: str = "", kill_after: float = 0.0) -> None:
        options = options_of(tiny_settings(DATASET, self.cluster.log_of(DATASET), keep_versions=KEEP))
        self.order("retrain", options, fault, kill_after)

    def order(self, flow: str, options: list[str], fault: str = "", kill_after: float = 0.0) -> None:
        order = {"flow": flow, "options": options, "fault": fault, "kill_after": kill_after, "log": str(self.log)}
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()

    def code(self) -> int:
        return int(self.answers.readline())

    def strike(self, fault: str) -> None:
        """What happens to the servers, after the retraining has begun."""
        time.sleep(self.chance.uniform(1, 4))
        if fault.startswith("Prefect server"):
            self.cluster.prefect.kill()
            self.cluster.start_prefect()
        elif fault.startswith("MLflow server"):
            self.cluster.mlflow.kill()
            self.cluster.start_mlflow()
        elif fault.startswith("MLflow's database"):
            lock(self.cluster.folder / "server.db", 5.0, lambda: None)

    def size(self) -> Size:
        cluster = self.cluster
        artifacts = cluster.folder / "artifacts" / experiment_of(cluster.registry)
        return Size(
            len(list(artifacts.rglob("weights.safetensors"))),
            megabytes(artifacts, *cluster.folder.glob("server.db*")),
            megabytes(cluster.folder / "prefect"),
            megabytes(cluster.cache(MACHINE)),
            round(cluster.prefect.memory_mb() + cluster.mlflow.memory_mb(), 1),
        )


def experiment_of(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name(DATASET)
    return str(experiment.experiment_id) if experiment else "none"


@contextmanager
def running_soak(cluster: Cluster, **variables: str) -> Iterator[Soak]:
    env = cluster.environment_of(MACHINE, PYTHONUNBUFFERED="1", **variables)
    log = cluster.folder / "forked_retrainings.log"
    pipe: Any = subprocess.PIPE
    with log.open("wb") as errors:
        process = subprocess.Popen(
            python_module("tests.e2e.faults.forked_retrainings"),
            cwd=cluster.folder / MACHINE,
            env=env,
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdin is not None and process.stdout is not None
        yield Soak(cluster, process.stdin, process.stdout)
    finally:
        process.kill()
        process.communicate()


def test_many_retrainings_with_faults(
    cluster: Cluster, reliability: Reliability, request: pytest.FixtureRequest
) -> None:
    number = int(request.config.getoption("--soak"))
    began = time.monotonic()
    with running_soak(cluster) as soak:
        for retraining in range(number):
            soak.once(retraining)
        write_log(cluster.log_of(DATASET), seed=1)
        soak.ask()
        assert soak.code() == 0, soak.log.read_text()[-3000:]
        soak.sizes.append(soak.size())
    assert_consistent(cluster, soak.happened, number)
    assert_nothing_grows(soak.sizes)
    no_zombies(cluster)
    reliability.soaked(told(soak, number, seconds_since(began)))


def assert_consistent(cluster: Cluster, happened: Counter[str], number: int) -> None:
    """One finished retraining a version, an unbroken log, a champion with its files, and nothing that seems to run."""
    client = cluster.registry
    assert_log_is_unbroken(client, NAME)
    champion = version_by_alias(client, NAME, CHAMPION)
    assert champion is not None and why_incomplete(client, cluster.tracking_uri, champion) == ""
    found = runs_of(client, DATASET)
    assert {run.info.status for run in found} <= {"FINISHED", "KILLED", "FAILED"}
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    finished = [run for run in parents if COMPLETE in run.data.tags]
    assert len(finished) == number + 1 - happened["killed"] + happened["killed, gone on with"]
    versions = {int(each.version): each for each in client.search_model_versions(f"name = '{NAME}'")}
    assert sorted(versions) == list(range(1, len(versions) + 1))
    of_run = Counter(str(version.run_id) for version in versions.values())
    assert set(of_run.values()) == {1}, "a model was registered twice"
    for parent in finished:
        models = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert len({run.data.tags[MODEL] for run in models}) == len(models) == 5
        assert sum(run.info.run_id in of_run for run in models) == 1


def assert_nothing_grows(sizes: list[Size]) -> None:
    """After the first third: no more weights than are to be kept, no larger cache, no more memory, a little history."""
    early, last = sizes[len(sizes) // 3], sizes[-1]
    champions, models, unfinished = 3, 4, 2  # the champion, the one before it, and the best of the last 30 days
    allowed = (KEEP + champions + unfinished) * (models + 1)  # each has its models, and the winner's second copy
    assert last.weights <= allowed
    assert last.cache_mb <= early.cache_mb + 2.0
    assert last.servers_mb <= MEMORY_GROWTH * early.servers_mb + MEMORY_SLACK_MB
    added = len(sizes) - 1 - len(sizes) // 3
    grown = last.mlflow_mb + last.prefect_mb - early.mlflow_mb - early.prefect_mb
    assert grown / added <= HISTORY_MB


def no_zombies(cluster: Cluster) -> None:
    """The runs of the killed commands are Crashed in time."""

    def at_work() -> list[FlowRun]:
        return [run for run in cluster.active_runs() if run.name.startswith(f"retrain {DATASET}")]

    wait_until(lambda: at_work() == [], cluster.prefect.log, ZOMBIE_SECONDS)


def told(soak: Soak, number: int, seconds: int) -> list[str]:
    """The soak in words and figures, for the page."""
    counted = ", ".join(f"{name} {count}" for name, count in soak.happened.items() if name in FAULTS)
    killed, again = soak.happened["killed"], soak.happened["killed, gone on with"]
    lines = [
        f"{number} retrainings, each of another log, in {seconds / 60:.0f} minutes: {counted}. Of the "
        f"{killed} that a kill reached, {again} were started again and came to their end; the others were left as they "
        f"were. `--keep-versions {KEEP}`.",
        "",
        f"| after | {' | '.join(WORDS.values())} |",
        f"| ---: |{' ---: |' * len(WORDS)}",
    ]
    shown = sorted({*range(0, len(soak.sizes), max(1, number // 5)), len(soak.sizes) - 1})
    for place in shown:
        values = asdict(soak.sizes[place])
        lines.append(f"| {place + 1} | {' | '.join(str(values[name]) for name in WORDS)} |")
    return lines


WORDS = {
    "weights": "files of weights",
    "mlflow_mb": "MLflow, MB on disk",
    "prefect_mb": "Prefect, MB on disk",
    "cache_mb": "cache, MB",
    "servers_mb": "memory of both servers, MB",
}
