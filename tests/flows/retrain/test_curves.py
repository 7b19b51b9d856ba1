"""Learning curves are read back from MLflow, whatever happened on the way."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric

from flows.charts.pictures import Curve
from flows.retrain.curves import compared_curves, describe, draw_curves
from flows.tracking.tracking import ModelRun, Tracker
from tests.flows.charts.axes import legend_lines, line_points, star_points
from tests.ncf.toy_data import checkerboard

FULL, SAMPLED = "validation/full/ndcg_at_10", "validation/sampled/ndcg_at_10"


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return Tracker("checkerboard")


def trained(tracker: Tracker, series: dict[str, list[tuple[int, float]]], **metrics: Any) -> ModelRun:
    """A run whose series were logged in this order, a second between the points."""
    parent = tracker.start_retraining("key", {}, checkerboard())
    run_id = tracker.start_model(parent, "gmf", {}, checkerboard())
    for key, logged in series.items():
        history = [Metric(key, value, 1000 * second, step) for second, (step, value) in enumerate(logged)]
        tracker.client.log_batch(run_id, metrics=history)
    return ModelRun("gmf", run_id, metrics)


def test_an_epoch_that_was_logged_again_counts_once_with_its_last_value(tracker: Tracker) -> None:
    run = trained(tracker, {"train/loss": [(1, 0.7), (2, 0.6), (3, 0.9), (3, 0.5), (4, 0.4)]})
    assert tracker.series(run.run_id, ["train/loss", "train/other"]) == {"train/loss": {1: 0.7, 2: 0.6, 3: 0.5, 4: 0.4}}


def test_what_was_not_validated_is_not_drawn(tracker: Tracker) -> None:
    run = trained(tracker, {"train/loss": [(1, 0.7), (2, 0.6)], SAMPLED: [(1, 0.2), (2, 0.3)]}, best_epoch=2.0)
    figure = draw_curves(tracker, run, SAMPLED)
    assert "gmf" in figure.get_suptitle() and "epoch 2" in figure.get_suptitle()
    loss, validation = figure.axes
    assert line_points(legend_lines(loss)["loss"]) == [(1, 0.7), (2, 0.6)]
    assert line_points(legend_lines(validation)["NDCG@10"]) == [(1, 0.2), (2, 0.3)]
    assert star_points(validation) == [(2, 0.3)]


def test_initial_weights_that_were_best_are_epoch_0(tracker: Tracker) -> None:
    best: Any = {"best_epoch": 0.0, "best_validation/full/ndcg_at_10": 0.4}
    run = trained(tracker, {FULL: [(1, 0.3), (2, 0.2)]}, **best)
    popularity = ModelRun("popularity", "", {"best_validation/full/ndcg_at_10": 0.1})
    [curve], levels = compared_curves(tracker, [run], [popularity], FULL)
    assert curve == Curve("gmf", {0: 0.4, 1: 0.3, 2: 0.2}, best=0)
    assert levels == {"popularity": 0.1}
    assert describe(FULL) == "NDCG@10, full ranking"
