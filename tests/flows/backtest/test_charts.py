"""The figures of a backtest, from numbers known beforehand."""

import io
import math

import numpy as np
import pandas as pd
import pytest

from flows.backtest.charts import page_sections, picture, window_panels
from flows.charts.chart import Panel
from flows.charts.page import interactive
from flows.charts.png import draw
from ncf.backtest.plan import Policy, make_plan
from ncf.data.history import DAY
from tests.flows.charts.axes import legend_lines

MEANS = {"popularity": (0.1, 0.2, 0.3, 0.4), "weekly": (0.3, 0.4, 0.5, 0.6), "14d": (0.3, 0.4, 0.5, 0.6)}
NEVER = (0.3, 0.2, 0.1, 0.0)


@pytest.fixture
def panels() -> list[Panel]:
    """Four windows of two users, whose values are 0.1 above and below the means; in the last there is one user."""
    plan = make_plan((0, 35 * DAY), [Policy.named(name) for name in ("weekly", "14d", "never")], start=7 * DAY)
    windows = []
    for place, window in enumerate(plan.windows):
        columns = {
            f"{name}/{metric}": [means[place] - 0.1, means[place] + 0.1] if place < 3 else [means[place]]
            for name, means in (MEANS | {"never": NEVER}).items()
            for metric in ("hr_at_10", "ndcg_at_10", "known")
        }
        windows.append((window, pd.DataFrame({"user_id": ["a", "b"][: 1 if place == 3 else 2], **columns})))
    return window_panels(plan, windows)


def test_each_window_has_its_mean_its_users_and_its_new_models(panels: list[Panel]) -> None:
    _, ndcg, hr, known = panels
    never = next(series for series in ndcg.series if series.name == "never")
    assert [f"{day:%m-%d}" for day in never.x] == ["01-08", "01-15", "01-22", "01-29"]
    assert never.y == pytest.approx(NEVER)
    weekly = next(series for series in hr.series if series.name == "weekly")
    assert weekly.error is not None and weekly.error[:3] == pytest.approx([0.1 * 12.7062] * 3, rel=1e-4), "Student's t"
    assert math.isnan(weekly.error[3]), "one user has no interval"
    assert {series.name: series.filled for series in ndcg.series} == {
        "popularity": [False] * 4,
        "weekly": [True] * 4,
        "14d": [True, False, True, False],
        "never": [True, False, False, False],
    }
    assert [series.name for series in known.series] == ["weekly", "14d", "never"]


def test_gains_are_over_the_rarest_policy_and_over_the_windows_so_far(panels: list[Panel]) -> None:
    gains = {series.name: series.y for series in panels[0].series}
    assert "more than never" in panels[0].title and list(gains) == ["popularity", "weekly", "14d"]
    assert gains["weekly"] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_the_picture_has_a_panel_for_the_gains_and_for_each_figure(panels: list[Panel]) -> None:
    figure = draw(picture("planted", panels))
    figure.savefig(io.BytesIO(), format="png")
    gains, ndcg, hr, known = figure.axes
    assert "NDCG@10 more than never" in gains.get_title(loc="left")
    assert [axes.get_title(loc="left")[:5] for axes in (ndcg, hr, known)] == ["NDCG@", "HR@10", "share"]
    named = legend_lines(ndcg)
    assert list(named) == ["popularity", "weekly", "14d", "never"]
    assert np.asarray(named["14d"].get_ydata()) == pytest.approx(MEANS["14d"])
    assert [line.get_markevery() for line in named.values()] == [[], [0, 1, 2, 3], [0, 2], [0]]
    assert len(gains.collections) == 3 and not ndcg.collections, "only the gains have bands"


def test_the_page_has_the_same_curves(panels: list[Panel]) -> None:
    sections = page_sections(panels)
    assert len(sections) == 4
    drawn = {trace.name: trace for trace in interactive(sections["NDCG@10, by window"]).data}
    assert list(drawn["never"].y) == pytest.approx(NEVER)
    assert drawn["14d"].marker.symbol == ("circle", "circle-open", "circle", "circle-open")
    assert drawn["weekly"].text[0] == "2 users, new model" and drawn["never"].text[3] == "1 user"
    assert drawn["weekly"].error_y.array is not None
