"""A comparison's pictures and page, from numbers known beforehand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.charts.page import html_page
from flows.charts.pictures import Curve, draw_comparison
from flows.retrain.comparison import Compared, compared
from flows.retrain.comparison_page import draw_bars, draw_groups, draw_hits, sections
from flows.tracking.tracking import ModelRun, Tracker
from ncf.evaluation.metrics import mean_with_interval
from ncf.evaluation.ranking import Ranks
from tests.flows.charts.axes import legend_lines, line_points
from tests.ncf.toy_data import literal_data

ROWS = [
    ("gmf", "user_activity", 1, 2, 9, 30, 0.02, 0.01, 0.03),
    ("gmf", "user_activity", 2, 10, 99, 1, 0.05, -np.inf, np.inf),
    ("gmf", "item_popularity", 1, 1, 5, 31, -0.01, -0.03, 0.01),
]
COLUMNS = ["model", "grouped_by", "group", "from", "to", "users", "difference", "low", "high"]
KNOWN = Compared(
    dataset="shop",
    names=["popularity", "gmf"],
    bars={
        "HR@10 full": {"popularity": (0.1, 0.01), "gmf": (0.2, 0.02)},
        "NDCG@10 full": {"popularity": (0.05, 0), "gmf": (0.1, 0)},
    },
    hits={
        "full": {"popularity": np.array([0.0, 0.1]), "gmf": np.array([0.1, 0.2])},
        "sampled": {"gmf": np.array([0.3, 0.4])},
    },
    differences=pd.DataFrame(ROWS, columns=COLUMNS),
)


def test_bars_are_the_table_with_its_intervals() -> None:
    hr, ndcg = draw_bars(KNOWN).axes[:2]
    assert [bar.get_width() for bar in hr.patches] == [0.1, 0.2]  # type: ignore[attr-defined]
    assert [tick.get_text() for tick in hr.get_yticklabels()] == ["popularity", "gmf"]
    assert hr.get_title(loc="left") == "HR@10 full" and ndcg.get_title(loc="left") == "NDCG@10 full"


def test_hit_rates_begin_at_a_list_of_one() -> None:
    full, sampled = draw_hits(KNOWN).axes
    assert line_points(legend_lines(full)["gmf"]) == [(1, 0.1), (2, 0.2)]
    assert line_points(legend_lines(sampled)["gmf"]) == [(1, 0.3), (2, 0.4)]


def test_a_model_has_one_colour_in_every_picture() -> None:
    names = ["popularity", "item-knn", "gmf"]
    levels = {"popularity": 0.1, "item-knn": 0.2}
    curves = draw_comparison("by epoch", "NDCG@10", [Curve("gmf", {1: 0.1, 2: 0.2}, best=2)], levels, names).axes[0]
    shares = dict.fromkeys(names, np.array([0.1, 0.2]))
    hits = draw_hits(replace(KNOWN, names=names, hits={"full": shares, "sampled": shares})).axes[0]
    assert legend_lines(curves)["gmf"].get_color() == legend_lines(hits)["gmf"].get_color()


def test_groups_are_named_by_their_bounds_and_a_group_of_one_user_has_no_interval() -> None:
    activity, popularity = draw_groups(KNOWN).axes
    assert [tick.get_text() for tick in activity.get_xticklabels()] == ["2-9\n30 users", "10-99\n1 users"]
    assert [tick.get_text() for tick in popularity.get_xticklabels()] == ["1-5\n31 users"]
    assert np.asarray(popularity.lines[0].get_ydata()).tolist() == [-0.01]


def test_the_page_needs_no_network_and_has_plotly_once() -> None:
    curves = [Curve("gmf", {1: 0.1, 2: 0.2}, best=2)]
    page = html_page("Retraining <shop>", "<p>a</p>", sections(KNOWN, "NDCG@10", curves, {"popularity": 0.05}))
    assert "Retraining &lt;shop&gt;" in page
    assert page.count("<h2 ") == 4 and page.count("plotly.js v") == 1
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
        tracker.artifacts.log_table(run_id, users, "users.csv")
        models.append(ModelRun(name, run_id, metrics))
    champion = {"champion (version 3)": Ranks(np.array([2, 30]), np.array([1, 30]))}
    found = compared(tracker, models, data, champion)
    assert found.names == ["popularity", "gmf", "champion (version 3)"]
    hr, half = found.bars["HR@10 full"]["champion (version 3)"]
    assert (hr, half) == (0.5, pytest.approx(mean_with_interval(np.array([1.0, 0.0])).high - 0.5))
    assert found.hits["sampled"]["champion (version 3)"].tolist() == [0.5] * 20
    assert found.reference == "popularity" and found.bars["HR@10 1+99"]["gmf"] == (0.5, 0.1)
    assert found.hits["full"]["gmf"].tolist() == [0.5] + [1.0] * 19
    assert found.hits["full"]["popularity"].tolist() == [0.0, 0.0] + [0.5] * 18
    of_gmf = found.differences[found.differences["model"] == "gmf"]
    gained = of_gmf.groupby("grouped_by").apply(lambda rows: np.average(rows["difference"], weights=rows["users"]))
    expected = ((1 - 0.5) + (1 / np.log2(3) - 0)) / 2  # 1/log2(2) - 1/log2(4), and 1/log2(3) - 0
    assert gained.to_dict() == pytest.approx({"user_activity": expected, "item_popularity": expected})
