"""The figures of a backtest, from numbers known beforehand."""

import io
import math

import numpy as np
import pandas as pd
import pytest

from flows.backtest.charts import Curves, curves_of
from flows.backtest.charts_page import sections
from flows.backtest.charts_png import draw_windows
from ncf.backtest.plan import Policy, make_plan
from ncf.data.history import DAY

MEANS = {"popularity": (0.1, 0.2, 0.3, 0.4), "weekly": (0.3, 0.4, 0.5, 0.6), "14d": (0.3, 0.4, 0.5, 0.6)}
NEVER = (0.3, 0.2, 0.1, 0.0)


@pytest.fixture
def curves() -> Curves:
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
    return curves_of("planted", plan, windows)


def test_each_window_has_its_mean_its_users_and_its_new_models(curves: Curves) -> None:
    assert [f"{day:%m-%d}" for day in curves.days] == ["01-08", "01-15", "01-22", "01-29"]
    assert list(curves.users) == [2, 2, 2, 1]
    assert curves.means["ndcg_at_10"]["never"] == pytest.approx(NEVER)
    assert curves.halves["hr_at_10"]["weekly"][:3] == pytest.approx([0.1 * 1.959964] * 3)
    assert math.isnan(curves.halves["hr_at_10"]["weekly"][3]), "one user has no interval"
    assert curves.new == {"weekly": [True] * 4, "14d": [True, False, True, False], "never": [True, False, False, False]}
    assert "popularity" not in curves.means["known"]


def test_gains_are_over_the_rarest_policy_and_over_the_windows_so_far(curves: Curves) -> None:
    assert curves.reference == "never" and list(curves.gains) == ["popularity", "weekly", "14d"]
    assert [mean.value for mean in curves.gains["weekly"]] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_the_picture_has_a_panel_for_the_gains_and_for_each_figure(curves: Curves) -> None:
    figure = draw_windows(curves)
    figure.savefig(io.BytesIO(), format="png")
    gains, ndcg, hr, known = figure.axes
    assert "NDCG@10 more than never" in gains.get_title(loc="left")
    assert [axes.get_title(loc="left")[:5] for axes in (ndcg, hr, known)] == ["NDCG@", "HR@10", "share"]
    named = {str(line.get_label()): line for line in ndcg.lines if not str(line.get_label()).startswith("_")}
    assert list(named) == ["popularity", "weekly", "14d", "never"]
    assert np.asarray(named["14d"].get_ydata()) == pytest.approx(MEANS["14d"])
    dots = [len(np.asarray(line.get_xdata())) for line in ndcg.lines if line.get_marker() == "o"]
    assert dots == [0, 4, 2, 1]


def test_the_page_has_the_same_curves(curves: Curves) -> None:
    figures = sections(curves)
    assert len(figures) == 4
    drawn = {trace.name: trace for trace in figures["NDCG@10, by window"].data}
    assert list(drawn["never"].y) == pytest.approx(NEVER)
    assert drawn["14d"].marker.symbol == ("circle", "circle-open", "circle", "circle-open")
    assert drawn["weekly"].text[0] == "2 users, new model" and drawn["never"].text[3] == "1 user"
