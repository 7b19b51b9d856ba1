"""A comparison's pictures and page, from numbers known beforehand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.charts.page import html_page
from flows.retrain.comparison import Comparison, group_chart, hit_rate_chart, metric_chart, read_comparison
from flows.tracking.tracker import ModelRun, Tracker
from ncf.evaluation.metrics import mean_with_interval
from ncf.evaluation.ranking import Ranks
from tests.ncf.toy_data import literal_data

ROWS = [
    ("gmf", "user_activity", 1, 2, 9, 30, 0.02, 0.01, 0.03),
    ("gmf", "user_activity", 2, 10, 99, 1, 0.05, -np.inf, np.inf),
    ("gmf", "item_popularity", 1, 1, 5, 31, -0.01, -0.03, 0.01),
]
COLUMNS = ["model", "grouped_by", "group", "from", "to", "users", "difference", "low", "high"]
KNOWN = Comparison(
    dataset="shop",
    names=["popularity", "gmf"],
    metrics={
        "HR@10 full": {"popularity": (0.1, 0.01), "gmf": (0.2, 0.02)},
        "NDCG@10 full": {"popularity": (0.05, 0), "gmf": (0.1, 0)},
    },
    hit_rates={
        "full": {"popularity": [0.0, 0.1], "gmf": [0.1, 0.2]},
        "sampled": {"gmf": [0.3, 0.4]},
    },
    differences=pd.DataFrame(ROWS, columns=COLUMNS),
)


def test_bars_are_the_table_with_its_intervals() -> None:
    hr, ndcg = metric_chart(KNOWN).panels
    assert [(bar.name, bar.x, bar.error) for bar in hr.series] == [
        ("popularity", [0.1], [0.01]),
        ("gmf", [0.2], [0.02]),
    ]
    assert hr.y_ticks == ["popularity", "gmf"]
    assert hr.title == "HR@10 full" and ndcg.title == "NDCG@10 full"


def test_hit_rates_begin_at_a_list_of_one() -> None:
    full, sampled = hit_rate_chart(KNOWN).panels
    assert [list(zip(curve.x, curve.y, strict=True)) for curve in full.series if curve.name == "gmf"] == [
        [(1, 0.1), (2, 0.2)]
    ]
    assert [list(curve.y) for curve in sampled.series] == [[0.3, 0.4]]


def test_a_model_has_one_color_in_every_chart() -> None:
    names = ["popularity", "item-knn", "gmf"]
    shares = {name: [0.1, 0.2] for name in names}
    known = replace(KNOWN, names=names, hit_rates={"full": shares, "sampled": shares})
    rows = known.differences.assign(model=["gmf", "gmf", "gmf"])
    charts = [hit_rate_chart(known), group_chart(replace(known, differences=rows))]
    colors = {curve.color for chart in charts for curve in chart.panels[0].series if curve.name == "gmf"}
    assert len(colors) == 1


def test_groups_are_named_by_their_bounds_and_a_group_of_one_user_has_no_interval() -> None:
    activity, popularity = group_chart(KNOWN).panels
    assert activity.x_ticks == ["2-9\n30 users", "10-99\n1 user"]
    assert popularity.x_ticks == ["1-5\n31 users"]
    [points] = activity.series
    assert points.error is not None and points.error[0] == pytest.approx(0.01) and np.isnan(points.error[1])
    assert [point.y for point in popularity.series] == [[-0.01]]


def test_the_page_needs_no_network_and_has_plotly_once() -> None:
    sections = {"Test holdout": metric_chart(KNOWN), "HR@K": hit_rate_chart(KNOWN), "Groups": group_chart(KNOWN)}
    page = html_page("Retraining <shop>", "<p>a</p>", sections)
    assert "Retraining &lt;shop&gt;" in page
    assert page.count("<h2 ") == 3 and page.count("plotly.js v") == 1
    assert '<script src="' not in page


def test_what_is_compared_is_read_back_from_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    tracker, data = Tracker("literal"), literal_data()
    parent = tracker.start_retraining("key", {}, data)
    keys = [f"test/{protocol}/{metric}_at_10" for protocol in ("full", "sampled") for metric in ("hr", "ndcg")]
    metrics = dict.fromkeys(keys, 0.5) | {f"{key}_ci95": 0.1 for key in keys}
    models = []
    for name, full in (("popularity", [3, 30]), ("gmf", [1, 2])):  # users 10 and 20 have a test item
        run_id = tracker.start_model(parent, name, {}, data)
        users = pd.DataFrame({"user_id": [10, 20], "item_id": [0, 1], "full_rank": full, "sampled_rank": [1, 1]})
        tracker.files.log_table(run_id, users, "users.csv")
        models.append(ModelRun(name, run_id, metrics))
    champion = {"champion (version 3)": Ranks(np.array([2, 30]), np.array([1, 30]))}
    found = read_comparison(tracker, models, data, champion)
    assert found.names == ["popularity", "gmf", "champion (version 3)"]
    hr, half = found.metrics["HR@10 full"]["champion (version 3)"]
    assert (hr, half) == (0.5, pytest.approx(mean_with_interval(np.array([1.0, 0.0])).high - 0.5))
    assert found.hit_rates["sampled"]["champion (version 3)"] == [0.5] * 20
    assert found.reference == "popularity" and found.metrics["HR@10 1+99"]["gmf"] == (0.5, 0.1)
    assert found.hit_rates["full"]["gmf"] == [0.5] + [1.0] * 19
    assert found.hit_rates["full"]["popularity"] == [0.0, 0.0] + [0.5] * 18
    of_gmf = found.differences[found.differences["model"] == "gmf"]
    gained = of_gmf.groupby("grouped_by").apply(lambda rows: np.average(rows["difference"], weights=rows["users"]))
    expected = ((1 - 0.5) + (1 / np.log2(3) - 0)) / 2  # 1/log2(2) - 1/log2(4), and 1/log2(3) - 0
    assert gained.to_dict() == pytest.approx({"user_activity": expected, "item_popularity": expected})
