import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from flows.cli.command import parse
from flows.retrain.measure import enabled_baselines
from flows.retrain.measure import measure_baseline as task
from flows.retrain.settings import RetrainSettings
from flows.tracking.tracker import Tracker
from ncf.errors import ConfigError
from ncf.evaluation.baselines import IALS, can_ials
from tests.ncf.toy_data import BOARD_ITEMS, checkerboard

needs_implicit = pytest.mark.skipif(not can_ials(), reason="the extra als is not installed")


def settings(**baselines: Any) -> RetrainSettings:
    return RetrainSettings.model_validate({"baselines": baselines})


def chosen(given: RetrainSettings) -> list[str]:
    with disable_run_logger():
        return enabled_baselines(given, checkerboard())


@needs_implicit
def test_a_baseline_can_be_switched_off() -> None:
    off = {"enabled": False}
    assert chosen(settings()) == ["popularity", "item-knn", "ease", "ials"]
    assert chosen(settings(item_knn=off)) == ["popularity", "ease", "ials"]
    assert chosen(settings(item_knn=off, ials=off, ease=off)) == ["popularity"]


def test_ease_is_left_out_of_a_large_catalogue_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flows.retrain.measure.get_run_logger", lambda: logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        assert "ease" in enabled_baselines(settings(ease={"max_items": BOARD_ITEMS}), checkerboard())
        assert caplog.text == "" or "EASE" not in caplog.text
        assert "ease" not in enabled_baselines(settings(ease={"max_items": BOARD_ITEMS - 1}), checkerboard())
    assert "no baseline EASE: 40 items are more than baselines.ease.max_items, 39" in caplog.text


def test_without_the_extra_the_row_is_left_out_and_the_log_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "implicit", None)  # Python's own way to forbid an import
    monkeypatch.setattr("flows.retrain.measure.get_run_logger", lambda: logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        assert enabled_baselines(settings(), checkerboard()) == ["popularity", "item-knn", "ease"]
        assert caplog.text.count("pip install -c constraints.txt -e '.[als]'") == 1
        enabled_baselines(settings(ials={"enabled": False}), checkerboard())
        assert caplog.text.count("pip install") == 1, "nobody asked for it"


def test_the_option_that_the_error_names_leaves_ials_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(ConfigError) as refused:
        IALS(checkerboard(), factors=4, regularization=0.1, alpha=1.0, iterations=1, seed=0)
    option = str(refused.value).partition("turn it off: ")[2].split()
    assert not parse(RetrainSettings, option).baselines.ials.enabled


@pytest.mark.parametrize("name", ["popularity", "item-knn", "ease", pytest.param("ials", marks=needs_implicit)])
def test_a_finished_baseline_is_not_computed_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    tracker, data, given = Tracker("checkerboard"), checkerboard(), settings()
    parent = tracker.start_retraining("key", {}, data)
    half = tracker.start_model(parent, name, {}, data)  # as an interrupted process leaves it
    first = task.fn(tracker, parent, name, given, data)
    assert first.name == name and first.run_id != half
    if name != "popularity":
        assert first.metrics["test/full/ndcg_at_10"] > 0.9
    run = tracker.client.get_run(first.run_id)
    assert run.data.params["model.kind"] == name
    assert run.data.metrics == pytest.approx(dict(first.metrics))
    again = task.fn(tracker, parent, name, settings(item_knn={"neighbours": 1}), data)
    assert again.run_id == first.run_id
