from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.registry import alias as weights
from flows.registry.promotion import promote
from flows.retrain.old_runs import remove_weights_of_versions
from tests.flows.registry.placeholder_versions import change, count_weights, new_registry


def test_the_newest_the_champions_and_the_aliased_keep_their_weights(store: str) -> None:
    registry = new_registry(store, versions=8)
    for after, compared in ((1, None), (2, 1), (3, 2)):
        promote(registry, change(after), compared)
    registry.client.set_registered_model_alias(registry.name, "holiday", "4")
    assert remove_weights_of_versions(registry, keep=2) == [6, 5, 1]
    assert [count_weights(registry.client, number) for number in range(1, 9)] == [
        (0, 0),
        *[(2, 2)] * 3,
        *[(0, 0)] * 2,
        *[(2, 2)] * 2,
    ]
    for number in (1, 5, 6):
        version = registry.version(number)
        assert version.tags["ncf.weights"] == "removed" and "can't serve" in str(version.description)
    assert "ncf.weights" not in registry.version(3).tags
    assert remove_weights_of_versions(registry, keep=2) == []


def test_the_champions_of_the_last_days_that_are_or_will_be_the_anchor_keep_their_weights(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = new_registry(store, versions=8)
    nights = [datetime(2026, 11, day, 3, tzinfo=UTC) for day in (2, 3, 4, 10, 11, 12)]
    for number, night in enumerate(nights, start=1):
        monkeypatch.setattr("flows.registry.promotion.now", lambda night=night: night)
        promote(registry, change(number), number - 1 or None)
    monkeypatch.setattr("flows.retrain.old_runs.now", lambda: datetime(2026, 12, 3, tzinfo=UTC))
    # the window began on Monday, November 2; from December 9 on it begins on the 9th, when version 3 served
    assert remove_weights_of_versions(registry, keep=1, anchor_days=30) == [7, 4, 2]
    assert [count_weights(registry.client, number) for number in (1, 3)] == [(2, 2), (2, 2)]
    assert remove_weights_of_versions(registry, keep=1) == [3, 1]


def test_an_interrupted_removal_goes_on_next_time(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = new_registry(store, versions=3)
    promote(registry, change(3), None)

    def broken(*_: object, **__: object) -> None:
        raise OSError("the store is gone")

    with monkeypatch.context() as patch:
        patch.setattr(weights, "get_artifact_repository", broken)
        with pytest.raises(OSError, match="the store is gone"):
            remove_weights_of_versions(registry, keep=1)
    assert registry.version(2).tags["ncf.weights"] == "removing"
    assert count_weights(registry.client, 2) == (2, 2)
    with pytest.raises(Exception, match="removed as old"):
        promote(registry, change(2), 3)
    assert remove_weights_of_versions(registry, keep=1) == [2, 1]
    assert registry.version(2).tags["ncf.weights"] == "removed"
    assert [count_weights(registry.client, number) for number in (1, 2, 3)] == [(0, 0), (0, 0), (2, 2)]


def test_fewer_versions_than_are_kept_lose_nothing(store: str, tmp_path: Path) -> None:
    registry = new_registry(store, versions=2)
    assert remove_weights_of_versions(registry, keep=10) == []
    assert count_weights(registry.client, 1) == (2, 2)
