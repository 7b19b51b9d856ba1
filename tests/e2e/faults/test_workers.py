"""Workers that die with or without their flow run, and two retrainings at once. Run by `make reliability`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.e2e.faults.cluster import Cluster
from tests.e2e.faults.invariants import assert_not_trained_again, assert_whole, finished
from tests.e2e.faults.reliability import Reliability

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1800)]
PART = "Workers, and two at once"
ZOMBIE_SECONDS = 180.0  # after so long no run may be Running whose process is gone
PATIENCE = 600.0  # for what a busy machine does in its own time
HELD = {"zeta": "two", "eta": "three", "theta": "four", "iota": "five", "kappa": "seven"}  # data set: its machine
MOMENT = "hold epoch mlp 3"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: its name.
        message: of the state.
        seconds: since the faults.
    """

    state: str
    message: str
    seconds: int


@pytest.fixture(scope="module")
def outcomes(cluster: Cluster) -> Iterator[dict[str, Outcome]]:
    """Hold five retrainings while they train MLP, let each meet another fault, and wait for the end of all of them."""
    runs = {}
    for dataset, name in HELD.items():
        cluster.worker(name, dataset, limit=1 if dataset == "iota" else 10)
        runs[dataset] = cluster.start_run(dataset, fault=MOMENT)
    for dataset in HELD:
        cluster.wait_until_held(dataset, PATIENCE)
    before = {dataset: finished(cluster.registry, dataset) for dataset in HELD}
    assert all(models.keys() == {"popularity", "gmf"} for models in before.values())

    began = datetime.now(UTC)
    cluster.workers["two"].kill()
    cluster.workers["three"].process.terminate()
    cluster.workers["seven"].kill(with_children=False)
    runs["same deployment"] = cluster.start_run("theta", fault=MOMENT, seed=1)
    runs["same machine"] = cluster.start_run("theta", seed=1)
    cluster.worker("six", "iota")
    runs["another machine"] = cluster.start_run("iota", seed=1)
    cluster.release("kappa")

    def outcome(name: str) -> Outcome:
        state = cluster.wait_for_end(runs[name], PATIENCE)
        return Outcome(state.name or "", state.message or "", round((state.timestamp - began).total_seconds()))

    found = {name: outcome(name) for name in ("same deployment", "same machine", "kappa")}
    cluster.release("theta")
    found |= {name: outcome(name) for name in ("theta", "eta", "zeta", "another machine")}
    cluster.release("iota")
    found["iota"] = outcome("iota")
    for name in ("two", "three", "seven"):
        cluster.workers[name].stop()
    again = {dataset: cluster.start_run(dataset) for dataset in ("zeta", "eta", "kappa", "iota", "theta")}
    for dataset in ("zeta", "eta", "kappa"):
        cluster.worker(HELD[dataset], dataset)
    for dataset, run in again.items():
        runs[f"{dataset} again"] = run
        found[f"{dataset} again"] = outcome(f"{dataset} again")
        assert_not_trained_again(before[dataset], finished(cluster.registry, dataset))
    yield found
    for name in (*HELD.values(), "six"):
        cluster.workers.pop(name).stop()


def test_worker_and_flow_killed_together(
    cluster: Cluster, outcomes: dict[str, Outcome], reliability: Reliability
) -> None:
    dead = outcomes["zeta"]
    assert dead.state == "Crashed" and "No heartbeat" in dead.message
    assert dead.seconds < ZOMBIE_SECONDS
    assert outcomes["zeta again"].state == "Completed"
    assert_whole(cluster.tracking_uri, "zeta")
    happened = "Crashed by the automation, since it was silent; the next run, on a new worker, goes on"
    reliability.survived(PART, "kill -9 of the worker and the flow process", happened, dead.seconds)


def test_sigterm_to_the_worker(cluster: Cluster, outcomes: dict[str, Outcome], reliability: Reliability) -> None:
    stopped = outcomes["eta"]
    assert stopped.state == "Crashed" and stopped.seconds < ZOMBIE_SECONDS, stopped
    assert outcomes["eta again"].state == "Completed"
    assert_whole(cluster.tracking_uri, "eta")
    reliability.survived(PART, "SIGTERM to the worker", f"Crashed: {stopped.message}", stopped.seconds)


def test_worker_alone_killed(cluster: Cluster, outcomes: dict[str, Outcome], reliability: Reliability) -> None:
    """What the flow process prints goes through its worker: with it gone, the next line ends the process."""
    orphan = outcomes["kappa"]
    assert orphan.state == "Crashed" and orphan.seconds < ZOMBIE_SECONDS, orphan
    assert outcomes["kappa again"].state == "Completed"
    assert_whole(cluster.tracking_uri, "kappa")
    happened = "Crashed at once: nobody takes what the flow process prints; the next run, on a new worker, goes on"
    reliability.survived(PART, "kill -9 of the worker alone", happened, orphan.seconds)


@pytest.mark.parametrize(
    ("name", "dataset", "fault", "words"),
    [
        ("same deployment", "theta", "a second run of the same deployment", "concurrency limit"),
        ("same machine", "theta", "two deployments of a data set at the same moment", "on this machine"),
        ("another machine", "iota", "the same on two machines", "on another machine"),
    ],
)
def test_two_at_the_same_moment(
    cluster: Cluster,
    outcomes: dict[str, Outcome],
    reliability: Reliability,
    name: str,
    dataset: str,
    fault: str,
    words: str,
) -> None:
    second, first = outcomes[name], outcomes[dataset]
    assert first.state == "Completed", first
    assert second.state == "Cancelled" and words in second.message, second
    assert outcomes[f"{dataset} again"].state == "Unchanged", "the cancelled one left nothing to be done"
    assert_whole(cluster.tracking_uri, dataset)
    happened = f"the second one is Cancelled: {second.message.partition(';')[0]}"
    reliability.survived(PART, fault, happened, second.seconds)


def test_nothing_is_at_work_that_is_not(cluster: Cluster, outcomes: dict[str, Outcome]) -> None:
    assert [run.name for run in cluster.active_runs()] == []
