"""Servers and databases that go away in the middle of a retraining, and come back."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.faults.cluster import Cluster, seconds_since
from tests.e2e.faults.invariants import assert_whole, finished
from tests.e2e.faults.reliability import Reliability

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1500)]
PART = "Servers and databases"
DATASET, AWAY, LOCKED = "servers", 15.0, 20.0
TRAINING, REGISTRATION = "hold epoch mlp 3", "hold before flows.retrain.flow.register_challenger"


@pytest.fixture(scope="module", autouse=True)
def worker(cluster: Cluster) -> Iterator[None]:
    cluster.worker("eight", DATASET)
    yield
    cluster.workers.pop("eight").stop()


def kill_prefect(cluster: Cluster) -> None:
    cluster.prefect.kill()


def kill_mlflow(cluster: Cluster) -> None:
    cluster.mlflow.kill()


def lock(database: Path, seconds: float, release: Callable[[], None]) -> None:
    """Hold a database's write lock, as a copying or hanging process does."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    release()
    time.sleep(seconds)
    connection.execute("ROLLBACK")
    connection.close()


def lock_mlflow(cluster: Cluster) -> None:
    lock(cluster.folder / "server.db", LOCKED, lambda: cluster.release(DATASET))


def lock_prefect(cluster: Cluster) -> None:
    lock(cluster.folder / "prefect" / "prefect.db", LOCKED, lambda: cluster.release(DATASET))


def away(cluster: Cluster, kill: Callable[[Cluster], None], start: Callable[[], None]) -> None:
    """Kill a server, let the run go on without it, and start the server again."""
    kill(cluster)
    cluster.release(DATASET)
    time.sleep(AWAY)
    start()


FAULTS: list[tuple[str, str, Callable[[Cluster], None]]] = [
    ("kill -9 of the Prefect server during training, back after 15 s", TRAINING,
     lambda cluster: away(cluster, kill_prefect, cluster.start_prefect)),
    ("kill -9 of the MLflow server during training, back after 15 s", TRAINING,
     lambda cluster: away(cluster, kill_mlflow, cluster.start_mlflow)),
    ("kill -9 of the MLflow server during registration, back after 15 s", REGISTRATION,
     lambda cluster: away(cluster, kill_mlflow, cluster.start_mlflow)),
    ("MLflow's database locked for 20 s during training", TRAINING, lock_mlflow),
    ("Prefect's database locked for 20 s during training", TRAINING, lock_prefect),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(len(FAULTS)), ids=[fault.replace(" ", "-") for fault, _, _ in FAULTS])
def test_the_same_run_comes_to_its_end(cluster: Cluster, reliability: Reliability, seed: int) -> None:
    fault, moment, strike = FAULTS[seed]
    cluster.reset_hold(DATASET)
    run = cluster.start_run(DATASET, seed, fault=moment)
    cluster.wait_until_held(DATASET)
    before = finished(cluster.registry, DATASET, seed)
    began = time.monotonic()
    strike(cluster)
    state = cluster.wait_for_end(run)
    assert state.name == "Completed", cluster.run_log(run)[-3000:]
    assert before.items() <= finished(cluster.registry, DATASET, seed).items()
    assert_whole(cluster.tracking_uri, DATASET, retrainings=seed + 1)
    reliability.survived(PART, fault, "the same run ended as Completed", seconds_since(began))
