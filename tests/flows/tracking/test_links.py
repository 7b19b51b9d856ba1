"""The page of MLflow that a retraining's link opens: a view in the experiment's tags, as MLflow's own page reads it."""

import json
from pathlib import Path

import mlflow
import pytest

from flows.tracking import COLUMNS, links
from flows.tracking.links import CHART_MODE, VIEW_KEY, VIEW_PREFIX, VIEW_TAG, VIEWS_KEPT, comparison_view, mlflow_url
from flows.tracking.tracker import Tracker

RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def tracker(store: str, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return Tracker("shop")


def views(tracker: Tracker) -> dict[str, str]:
    tags = tracker.client.get_experiment(tracker.experiment_id).tags
    return {key.removeprefix(VIEW_TAG): str(value) for key, value in tags.items() if key.startswith(VIEW_TAG)}


def test_the_view_shows_the_models_of_one_retraining_in_the_metrics_that_matter() -> None:
    view = json.loads(comparison_view(RUN))
    assert view["searchFilter"] == f"tags.mlflow.parentRunId = '{RUN}'"
    assert [chart["metricKey"] for chart in view["compareRunCharts"]] == [*COLUMNS.values(), links.CURVE]
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} == {
        section["uuid"] for section in view["compareRunSections"]
    }
    assert [f"metrics.`{key}`" for key in COLUMNS.values()] == view["selectedColumns"][: len(COLUMNS)]
    assert len(comparison_view(RUN)) < 5000, "the longest value of a tag in MLflow's database"


def test_a_link_opens_the_view_of_its_retraining(tracker: Tracker) -> None:
    run_id = tracker.create_run("retrain", {})
    page = tracker.share_comparison(run_id)
    [(key, view)] = views(tracker).items()
    assert page == f"experiments/{tracker.experiment_id}/runs?{VIEW_KEY}={key}&{CHART_MODE}"
    assert view == comparison_view(run_id)
    assert tracker.share_comparison(run_id) == page and len(views(tracker)) == 1, "a continued run keeps its link"
    assert mlflow_url("https://ann:secret@mlflow.example/base/", page) == f"https://mlflow.example/base/#/{page}"


def test_the_newest_views_stay_and_those_that_people_have_shared(tracker: Tracker) -> None:
    for number in range(VIEWS_KEPT + 5):
        tracker.client.set_experiment_tag(tracker.experiment_id, f"{VIEW_TAG}{VIEW_PREFIX}{number:013}-x", "{}")
    tracker.client.set_experiment_tag(tracker.experiment_id, f"{VIEW_TAG}of-a-person", "{}")
    run_id = tracker.create_run("retrain", {})
    tracker.share_comparison(run_id)
    found = views(tracker)
    assert "of-a-person" in found and len(found) == 1 + VIEWS_KEPT
    assert any(key.endswith(run_id) for key in found)
    assert f"{VIEW_PREFIX}{5:013}-x" not in found and f"{VIEW_PREFIX}{6:013}-x" in found


def test_mlflows_page_still_reads_such_views() -> None:
    """What the page reads is no public interface: these names are in its script, or the link shows a list of runs."""
    folder = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    scripts = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.js")))
    view = json.loads(comparison_view(RUN))
    names = [VIEW_TAG, VIEW_KEY, CHART_MODE.partition("=")[0], CHART_MODE.partition("=")[2], *view]
    names += [name for chart in view["compareRunCharts"] for name in chart]
    names += [chart["type"] for chart in view["compareRunCharts"]]
    assert [name for name in dict.fromkeys(names) if name not in scripts] == []
    kept = scripts[scripts.index('["selectedColumns","columnOrder"') :].partition("]")[0]
    facets = scripts[scripts.index('["searchFilter","orderByKey","orderByAsc"') :].partition("]")[0]
    assert [name for name in view if f'"{name}"' not in kept + facets] == [], "what the page takes over of a view"
