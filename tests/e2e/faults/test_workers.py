"""Workers that die with or without their flow run, and two retrainings at once. Run by `make reliability`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.e2e.faults.cluster import House
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
def outcomes(house: House) -> Iterator[dict[str, Outcome]]:
    """Hold five retrainings while they train MLP, let each meet another fault, and wait for the end of all of them."""
    runs = {}
    for dataset, name in HELD.items():
        house.worker(name, dataset, limit=1 if dataset == "iota" else 10)
        runs[dataset] = house.ask(dataset, fault=MOMENT)
    for dataset in HELD:
        house.held(dataset, PATIENCE)
    before = {dataset: finished(house.registry, dataset) for dataset in HELD}
    assert all(models.keys() == {"popularity", "gmf"} for models in before.values())

    began = datetime.now(UTC)
    house.workers["two"].kill()
    house.workers["three"].process.terminate()  # type: ignore[union-attr]
    house.workers["seven"].kill(with_children=False)
    runs["same deployment"] = house.ask("theta", fault=MOMENT, seed=1)
    runs["same machine"] = house.ask("theta", seed=1)
    house.worker("six", "iota")
    runs["another machine"] = house.ask("iota", seed=1)
    house.release("kappa")

    def outcome(name: str) -> Outcome:
        state = house.ended(runs[name], PATIENCE)
        return Outcome(state.name or "", state.message or "", round((state.timestamp - began).total_seconds()))

    found = {name: outcome(name) for name in ("same deployment", "same machine", "kappa")}
    house.release("theta")
    found |= {name: outcome(name) for name in ("theta", "eta", "zeta", "another machine")}
    house.release("iota")
    found["iota"] = outcome("iota")
    for name in ("two", "three", "seven"):
        house.workers[name].stop()
    again = {dataset: house.ask(dataset) for dataset in ("zeta", "eta", "kappa", "iota", "theta")}
    for dataset in ("zeta", "eta", "kappa"):
        house.worker(HELD[dataset], dataset)
    for dataset, run in again.items():
        runs[f"{dataset} again"] = run
        found[f"{dataset} again"] = outcome(f"{dataset} again")
        assert_not_trained_again(before[dataset], finished(house.registry, dataset))
    yield found
    for name in (*HELD.values(), "six"):
        house.workers.pop(name).stop()


def test_worker_and_flow_killed_together(house: House, outcomes: dict[str, Outcome], reliability: Reliability) -> None:
    dead = outcomes["zeta"]
    assert dead.state == "Crashed" and "No heartbeat" in dead.message
    assert dead.seconds < ZOMBIE_SECONDS
    assert outcomes["zeta again"].state == "Completed"
    assert_whole(house.tracking_uri, "zeta")
    happened = "Crashed by the automation, since it was silent; the next run, on a new worker, goes on"
    reliability.survived(PART, "kill -9 of the worker and the flow process", happened, dead.seconds)


def test_sigterm_to_the_worker(house: House, outcomes: dict[str, Outcome], reliability: Reliability) -> None:
    stopped = outcomes["eta"]
    assert stopped.state == "Crashed" and stopped.seconds < ZOMBIE_SECONDS, stopped
    assert outcomes["eta again"].state == "Completed"
    assert_whole(house.tracking_uri, "eta")
    reliability.survived(PART, "SIGTERM to the worker", f"Crashed: {stopped.message}", stopped.seconds)


def test_worker_alone_killed(house: House, outcomes: dict[str, Outcome], reliability: Reliability) -> None:
    """What the flow process prints goes through its worker: with it gone, the next line ends the process."""
    orphan = outcomes["kappa"]
    assert orphan.state == "Crashed" and orphan.seconds < ZOMBIE_SECONDS, orphan
    assert outcomes["kappa again"].state == "Completed"
    assert_whole(house.tracking_uri, "kappa")
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
    house: House,
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
    assert_whole(house.tracking_uri, dataset)
    happened = f"the second one is Cancelled: {second.message.partition(';')[0]}"
    reliability.survived(PART, fault, happened, second.seconds)


def test_nothing_is_at_work_that_is_not(house: House, outcomes: dict[str, Outcome]) -> None:
    assert [run.name for run in house.at_work()] == []
