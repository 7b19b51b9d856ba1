"""Learning curves are read back from MLflow, whatever happened on the way."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric

from flows.retrain.comparison import metric_name, training_chart, validation_chart
from flows.tracking.tracker import ModelRun, Tracker
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
    chart = training_chart(tracker, run, SAMPLED)
    assert "gmf" in chart.title and "epoch 2" in chart.title
    loss, validation = chart.panels
    assert [(one.name, one.x, one.y, one.star) for one in loss.series] == [("loss", [1, 2], [0.7, 0.6], 2)]
    assert [(one.name, one.x, one.y, one.star) for one in validation.series] == [("NDCG@10", [1, 2], [0.2, 0.3], 2)]
    assert validation.mark == 2


def test_initial_weights_that_were_best_are_epoch_0(tracker: Tracker) -> None:
    best: Any = {"best_epoch": 0.0, "best_validation/full/ndcg_at_10": 0.4}
    run = trained(tracker, {FULL: [(1, 0.3), (2, 0.2)]}, **best)
    popularity = ModelRun("popularity", "", {"best_validation/full/ndcg_at_10": 0.1})
    [panel] = validation_chart(tracker, [run], [popularity], FULL, ["popularity", "gmf"]).panels
    [curve], [level] = panel.series, panel.levels
    assert (curve.name, curve.x, curve.y, curve.star) == ("gmf", [0, 1, 2], [0.4, 0.3, 0.2], 0)
    assert (level.name, level.value) == ("popularity", 0.1)
    assert panel.y_label == metric_name(FULL) == "NDCG@10, full ranking"
