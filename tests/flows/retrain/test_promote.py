"""Deciding on a promotion with real bundles in a real MLflow store."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger

from flows.registry.alias import BUNDLE, Registry, remove_bundle
from flows.registry.log import read_log
from flows.registry.models import HOLDOUT, load_judged, load_version, register_model
from flows.registry.promotion import promote
from flows.retrain.promote import decide_promotion, is_newer, rank_champion, seconds_to_recommend, size_mb
from flows.retrain.settings import RetrainSettings
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import GMFConfig
from ncf.data.history import History
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation.comparison import holdout_sketch
from ncf.evaluation.evaluate import evaluate
from ncf.models.build import Model, build_model
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender
from ncf.training.fit import fit
from tests.flows.registry.placeholder_versions import change
from tests.flows.registry.registered_models import artifact_folder
from tests.ncf.toy_data import checkerboard, random_data
from tests.ncf.training.small_models import LEARN

NAME, CONFIG = "ncf-board", GMFConfig(embedding_dim=8)


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return checkerboard()


@pytest.fixture(scope="module")
def good(data: PreparedData) -> Model:
    return fit(build_model(CONFIG, data.num_users, data.num_items, 0), data, LEARN, seed=0).model


@pytest.fixture
def tracker(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracker]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with disable_run_logger():
        yield Tracker("board")


def settings(**promotion: object) -> RetrainSettings:
    return RetrainSettings.model_validate({"dataset": "board", "source": {"path": "board.csv"}, "promotion": promotion})


def registered(tracker: Tracker, model: Model, data: PreparedData, folder: Path) -> tuple[ModelRun, int]:
    """A finished model, and its version."""
    parent = tracker.start_retraining("key", {}, data)
    run_id = tracker.start_model(parent, "gmf", {}, data)
    Bundle.of(model, CONFIG, data).save(folder / BUNDLE)
    tracker.files.log_folder(run_id, folder / BUNDLE, BUNDLE)
    run = ModelRun("gmf", run_id, {})
    return run, register_model(tracker, NAME, run, {}, "gmf")


def test_a_champion_that_comes_in_between_is_compared_with_as_well(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = build_model(CONFIG, data.num_users, data.num_items, 1).eval()
    versions = [registered(tracker, model, data, tmp_path) for model in (poor, good, good)]
    numbers = [number for _, number in versions]
    models = Registry(tracker.uri, NAME)
    promote(models, change(numbers[0]), None)
    real = load_judged

    def overtaken(_tracker: Tracker, name: str, version: int) -> object:
        found = real(tracker, name, version)
        if models.champion() == numbers[0]:
            promote(models, change(numbers[1]), numbers[0])  # another machine is quicker than this comparison
        return found

    monkeypatch.setattr("flows.retrain.promote.load_judged", overtaken)
    decision = decide_promotion.fn(tracker, settings(), numbers[2], versions[2][0], data)
    assert not decision.promote
    assert "no better than the champion" in decision.reason, "compared with the first it would have been promoted"
    assert models.champion() == numbers[1]
    assert models.version(numbers[2]).tags["ncf.promoted"] == "false"
    assert [entry.after for entry in read_log(tracker.client, NAME)] == numbers[:2]


def grown(data: PreparedData, days: int = 1) -> PreparedData:
    """The same holdout, from a log that has grown: another train pair, and a later last time."""
    known = set(zip(data.everything.users.tolist(), data.everything.items.tolist(), strict=True))
    user, item = next((u, i) for u in range(data.num_users) for i in range(data.num_items) if (u, i) not in known)
    row = int(np.searchsorted(data.train.users, user, side="right"))
    train = replace(
        data.train, users=np.insert(data.train.users, row, user), items=np.insert(data.train.items, row, item)
    )
    history = replace(History.timeless(np.bincount(train.items, minlength=data.num_items)), last_time=days * 86_400)
    return replace(data, train=train, history=history)


def test_an_equal_model_is_promoted_on_newer_data_alone(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path
) -> None:
    run, first = registered(tracker, good, data, tmp_path)
    assert decide_promotion.fn(tracker, settings(), first, run, data).promote
    run, second = registered(tracker, good, data, tmp_path)
    decision = decide_promotion.fn(tracker, settings(), second, run, data)
    assert not decision.promote and "no better than the champion" in decision.reason
    newer = grown(data)
    run, third = registered(tracker, good, newer, tmp_path)
    decision = decide_promotion.fn(tracker, settings(), third, run, newer)
    assert decision.promote and "on newer data and not worse than the champion" in decision.reason
    assert f"uses 0% of the loss allowed against version {first}, the best champion of the last 30 days" in (
        decision.reason
    )
    assert read_log(tracker.client, NAME)[-1].figures["anchor"] == first
    run, fourth = registered(tracker, good, data, tmp_path)  # somebody trains on the log as it was before
    assert not decide_promotion.fn(tracker, settings(), fourth, run, data).promote


def test_an_anchor_without_weights_is_told_and_stops_nothing(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path
) -> None:
    states = [data, grown(data, 1), grown(data, 2)]
    for state in states[:2]:
        run, number = registered(tracker, good, state, tmp_path)
        assert decide_promotion.fn(tracker, settings(), number, run, state).promote
    remove_bundle(tracker.uri, tracker.client.get_run(str(Registry(tracker.uri, NAME).version(1).run_id)))
    run, third = registered(tracker, good, states[2], tmp_path)
    decision = decide_promotion.fn(tracker, settings(), third, run, states[2])
    assert not decision.promote, "the same pairs as the second's"
    more = grown(grown(data, 1), 3)
    run, fourth = registered(tracker, good, more, tmp_path)
    decision = decide_promotion.fn(tracker, settings(), fourth, run, more)
    assert decision.promote and "version 1, the best champion of the last 30 days, can't be read" in decision.reason


@pytest.mark.parametrize(
    ("ours", "theirs", "newer"),
    [
        ((5, 100), (4, 100), True),  # last time, pairs
        ((4, 100), (5, 90), False),
        ((5, 101), (5, 100), True),
        ((5, 99), (5, 100), False),
        ((None, 101), (None, 100), True),
        ((None, 99), (None, 100), False),
    ],
)
def test_newer_is_what_goes_on_later_or_has_more_pairs(
    data: PreparedData, good: Model, ours: tuple[int | None, int], theirs: tuple[int | None, int], newer: bool
) -> None:
    def with_history(last_time: int | None, pairs: int) -> PreparedData:
        counts = np.zeros(data.num_items, dtype=np.int64)
        recent = counts.copy()
        counts[0], recent[0] = (pairs, pairs) if last_time is None else (pairs - 10, 10)
        return replace(data, history=replace(History.timeless(counts), recent=recent, last_time=last_time))

    bundle = Bundle.of(good, CONFIG, with_history(*theirs))
    assert not is_newer(with_history(*ours), bundle), "the same pairs are the same data"
    assert is_newer(with_history(*ours), replace(bundle, about={"fingerprint": "other"})) is newer


def test_a_decision_that_was_cut_off_after_the_alias_is_found_again(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, version = registered(tracker, good, data, tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flows.registry.models._record", killed)
        with pytest.raises(KeyboardInterrupt):
            decide_promotion.fn(tracker, settings(), version, run, data)
    assert Registry(tracker.uri, NAME).champion() == version
    for _ in range(2):  # from the log, then from the version's tags
        decision = decide_promotion.fn(tracker, settings(), version, run, data)
        assert decision.promote and "there was none" in decision.reason
        assert decision.figures["challenger"] > decision.figures["popularity"]
    assert len(read_log(tracker.client, NAME)) == 1
    assert Registry(tracker.uri, NAME).version(version).tags["ncf.promoted"] == "true"


def test_a_champion_by_hand_is_not_compared_with_itself(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path
) -> None:
    run, version = registered(tracker, good, data, tmp_path)
    tracker.client.set_registered_model_alias(NAME, "champion", str(version))
    decision = decide_promotion.fn(tracker, settings(), version, run, data)
    assert not decision.promote and "by hand" in decision.reason
    assert Registry(tracker.uri, NAME).champion() == version


def test_a_damaged_version_is_named_and_not_the_folder_it_was_copied_to(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path
) -> None:
    _, number = registered(tracker, good, data, tmp_path)
    weights = artifact_folder(tracker.client, number, NAME) / "artifacts" / BUNDLE / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match="^the bundle of version 1 of ncf-board is not .*weights.safetensors has"):
        load_version(tracker, NAME, number)
    weights.unlink()
    with pytest.raises(ModelError, match="the bundle of version 1 of ncf-board/weights.safetensors"):
        load_version(tracker, NAME, number)


def test_guards_are_measured_where_they_are_on(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path
) -> None:
    poor = build_model(CONFIG, data.num_users, data.num_items, 1).eval()
    _, first = registered(tracker, poor, data, tmp_path)
    run, second = registered(tracker, good, data, tmp_path)
    promote(Registry(tracker.uri, NAME), change(first), None)
    lenient = {"minimum_coverage": 0.0, "maximum_cold_loss": 1.0, "cold_interactions": 1000}
    guards = lenient | {"maximum_seconds": 1e6, "maximum_size_mb": 0.001}
    decision = decide_promotion.fn(tracker, settings(guards=guards), second, run, data)
    assert not decision.promote and "its files have 0.0 MB, more than 0.001" in decision.reason
    figures = decision.figures
    assert figures["size_mb"] == pytest.approx(size_mb(tmp_path / BUNDLE))
    assert figures["coverage"] == evaluate(good, data, "test").overall["full/coverage_at_10"]
    assert figures["cold_loss"] < 0, "the challenger hits more"
    assert figures["seconds"] > 0


def test_earlier_challengers_on_the_same_holdout_make_the_next_ones_interval_wider(
    tracker: Tracker, data: PreparedData, good: Model, tmp_path: Path
) -> None:
    poor = build_model(CONFIG, data.num_users, data.num_items, 1).eval()
    runs = [registered(tracker, poor, data, tmp_path) for _ in range(3)]
    numbers = [number for _, number in runs]
    promote(Registry(tracker.uri, NAME), change(numbers[0]), None)
    found = []
    for run, number in runs[1:]:
        registered_on(tracker, number, holdout_sketch(data))
        found.append(decide_promotion.fn(tracker, settings(), number, run, data))
    assert [decision.figures["earlier"] for decision in found] == [0, 1]
    assert "wider for 1 earlier challenger on this test holdout" in found[1].reason
    assert "earlier" not in found[0].reason
    [(name, ranks)] = rank_champion(tracker, settings(), numbers[1], data).items()
    assert name == f"champion (version {numbers[0]})"
    assert ranks.values()["full/ndcg_at_10"].mean() == pytest.approx(found[0].figures["champion"])
    assert rank_champion(tracker, settings(), numbers[0], data) == {}, "it was set against none"
    tracker.client.delete_registered_model_alias(NAME, "champion")
    tracker.client.delete_model_version(NAME, str(numbers[0]))
    assert rank_champion(tracker, settings(), numbers[1], data) == {}, "it was deleted since"


def registered_on(tracker: Tracker, version: int, sketch: str) -> None:
    """As `register_challenger` does."""
    tracker.client.set_model_version_tag(NAME, str(version), HOLDOUT, sketch)


def test_the_time_is_that_of_a_thousand_users_however_many_there_are(
    data: PreparedData, good: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, recommend = [], Recommender.recommend

    def noted(self: Recommender, users: Sequence[Any], k: int) -> pd.DataFrame:
        asked.append((len(users), k))
        return recommend(self, users, k)

    monkeypatch.setattr(Recommender, "recommend", noted)
    assert seconds_to_recommend(Bundle.of(good, CONFIG, data), memory_mb=1) > 0
    assert asked == [(1000, 10)]


def test_a_catalogue_of_fewer_items_than_a_list_can_be_timed_as_well() -> None:
    data = random_data(np.random.default_rng(0), num_users=6, num_items=8, num_candidates=2)
    bundle = Bundle.of(build_model(CONFIG, data.num_users, data.num_items, 0), CONFIG, data)
    assert seconds_to_recommend(bundle, memory_mb=1) > 0
