"""The one progress bar of all flows: on the terminal, and at intervals in Prefect."""

import pickle
from uuid import UUID, uuid4

import pytest

from flows.orchestration import artifacts
from flows.orchestration.artifacts import Progress


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Progress in percent and text of every update that was sent to Prefect."""
    sent: list[tuple[float, str]] = []

    def update(artifact: UUID, progress: float, description: str) -> None:
        sent.append((progress, description))

    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda *args, **kwargs: uuid4())
    monkeypatch.setattr(artifacts, "update_progress_artifact", update)
    return sent


def test_updates_between_two_intervals_are_left_out_but_the_last_one_is_sent(updates: list[tuple[float, str]]) -> None:
    with Progress("shop-recommendations", "recommend", 4000, 1000, "users", terminal="bar") as progress:
        progress.advance(1000)
        progress.advance(2000)
    assert updates == [(100.0, "recommend: 4,000 of 4,000 users")]


def test_without_an_interval_every_step_is_sent(updates: list[tuple[float, str]]) -> None:
    progress = Progress("shop-progress", "baselines", total=4, update_seconds=0.0)
    progress.update(1, "training gmf")
    progress.update(2, "training mlp")
    assert updates == [(25.0, "training gmf"), (50.0, "training mlp")]


def test_progress_without_a_terminal_can_be_sent_to_a_process_of_a_training(updates: list[tuple[float, str]]) -> None:
    progress = pickle.loads(pickle.dumps(Progress("shop-gmf-progress", "gmf: the training begins")))
    progress.update(1.0, "gmf: epoch 1 of at most 1")
    assert updates == [(100.0, "gmf: epoch 1 of at most 1")]
