"""Learning curves are read back from MLflow, whatever happened on the way."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow.entities import Metric

from flows.curves import compared_curves, describe, keep_curves
from flows.pictures import Curve
from flows.tracking import ModelRun, Tracker
from tests.flows.test_pictures import lines, points, stars
from tests.ncf.known import checkerboard

FULL, SAMPLED = "validation/full/ndcg_at_10", "validation/sampled/ndcg_at_10"


class Drawn(Tracker):
    """Remembers the figures instead of uploading them."""

    def __init__(self, dataset: str) -> None:
        super().__init__(dataset)
        self.figures: dict[str, Figure] = {}

    def log_picture(self, run_id: str, picture: Figure, name: str) -> None:
        self.figures[run_id] = picture


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return Drawn("checkerboard")


def trained(tracker: Tracker, series: dict[str, list[tuple[int, float]]], **metrics: Any) -> ModelRun:
    """A run whose series were logged in this order, a second between the points."""
    parent = tracker.start_retraining("key", {}, checkerboard())
    run_id = tracker.start_model(parent, "gmf", {}, checkerboard())
    for key, logged in series.items():
        history = [Metric(key, value, 1000 * second, step) for second, (step, value) in enumerate(logged)]
        tracker.client.log_batch(run_id, metrics=history)
    return ModelRun("gmf", run_id, metrics)


def test_an_epoch_that_was_logged_again_counts_once_with_its_last_value(tracker: Drawn) -> None:
    run = trained(tracker, {"train/loss": [(1, 0.7), (2, 0.6), (3, 0.9), (3, 0.5), (4, 0.4)]})
    assert tracker.series(run.run_id, ["train/loss", "train/other"]) == {"train/loss": {1: 0.7, 2: 0.6, 3: 0.5, 4: 0.4}}


def test_what_was_not_validated_is_not_drawn(tracker: Drawn) -> None:
    run = trained(tracker, {"train/loss": [(1, 0.7), (2, 0.6)], SAMPLED: [(1, 0.2), (2, 0.3)]}, best_epoch=2.0)
    keep_curves(tracker, run, SAMPLED)
    figure = tracker.figures[run.run_id]
    assert "gmf" in figure.get_suptitle() and "epoch 2" in figure.get_suptitle()
    loss, validation = figure.axes
    assert points(lines(loss)["loss"]) == [(1, 0.7), (2, 0.6)]
    assert points(lines(validation)["NDCG@10"]) == [(1, 0.2), (2, 0.3)]
    assert stars(validation) == [(2, 0.3)]


def test_initial_weights_that_were_best_are_epoch_0(tracker: Drawn) -> None:
    best: Any = {"best_epoch": 0.0, "best_validation/full/ndcg_at_10": 0.4}
    run = trained(tracker, {FULL: [(1, 0.3), (2, 0.2)]}, **best)
    popularity = ModelRun("popularity", "", {"best_validation/full/ndcg_at_10": 0.1})
    [curve], levels = compared_curves(tracker, [run], [popularity])
    assert curve == Curve("gmf", {0: 0.4, 1: 0.3, 2: 0.2}, best=0)
    assert levels == {"popularity": 0.1}
    assert describe(FULL) == "NDCG@10, full ranking"
