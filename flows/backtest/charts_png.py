"""A backtest as a picture (PNG): the gains, then a panel a metric, a curve a policy, over the windows."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flows.backtest.charts import SO_FAR, TITLES, Curves
from flows.charts.pictures import DASHES, LABEL, SMALL, colour, new_figure, plain
from ncf.evaluation.metrics import Values


def draw_windows(curves: Curves) -> Figure:
    """Popularity is grey; a dot marks a window whose model is new; the bands are 95 % intervals over users."""
    figure = new_figure(curves.title, height=11.5)
    panels = figure.subplots(len(TITLES) + 1, 1, sharex=True)
    _gains(panels[0], curves)
    for axes, (metric, words) in zip(panels[1:], TITLES.items(), strict=True):
        for name, values in curves.means[metric].items():
            _curve(axes, curves, name, values)
        axes.set_title(words, fontsize=LABEL, loc="left")
        axes.set_ylim(bottom=0)
    for axes in panels:
        plain(axes)
    panels[-1].set_xlabel("the window's first day", fontsize=LABEL)
    panels[1].legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _gains(axes: Axes, curves: Curves) -> None:
    """The differences with their intervals, which those of each window by itself would hide."""
    axes.set_title(f"NDCG@10 more than {curves.reference}: {SO_FAR}", fontsize=LABEL, loc="left")
    axes.axhline(0, color=colour(curves.names.index(curves.reference)), linewidth=1.2)
    for name, means in curves.gains.items():
        low, high = (
            np.nan_to_num([getattr(mean, end) for mean in means], posinf=0, neginf=0) for end in ("low", "high")
        )
        axes.fill_between(_days(curves), low, high, color=colour(curves.names.index(name)), alpha=0.12, linewidth=0)
        _curve(axes, curves, name, np.array([mean.value for mean in means]))


def _curve(axes: Axes, curves: Curves, name: str, values: Values) -> None:
    number, days = curves.names.index(name), _days(curves)
    axes.plot(days, values, DASHES[number % len(DASHES)], color=colour(number), linewidth=1.8, label=name)
    new = np.array(curves.new.get(name, [False] * len(days)))
    axes.plot(days[new], values[new], "o", color=colour(number), markersize=5)


def _days(curves: Curves) -> NDArray[np.datetime64]:
    return np.array([day.replace(tzinfo=None) for day in curves.days], dtype="datetime64[us]")
