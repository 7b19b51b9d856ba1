"""A backtest as a picture (PNG): a panel a metric, a curve a policy, over the windows."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flows.comparison.pictures import colour
from flows.pictures import DASHES, LABEL, SMALL, new_figure, plain
from flows.replay.values import TITLES, Curves
from ncf.backtest.judge import KNOWN


def draw_windows(curves: Curves) -> Figure:
    """Popularity is grey; a dot marks a window whose model is new; the bands are 95 % intervals over users."""
    figure = new_figure(curves.title, height=9)
    panels = figure.subplots(len(TITLES), 1, sharex=True)
    for axes, (metric, words) in zip(panels, TITLES.items(), strict=True):
        for name in curves.means[metric]:
            _draw(axes, curves, metric, name)
        axes.set_title(words, fontsize=LABEL, loc="left")
        axes.set_ylim(bottom=0)
        plain(axes)
    panels[-1].set_xlabel("the window's first day", fontsize=LABEL)
    panels[0].legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _draw(axes: Axes, curves: Curves, metric: str, name: str) -> None:
    number = curves.names.index(name)
    values, halves = curves.means[metric][name], np.nan_to_num(curves.halves[metric][name])
    days = np.array([day.replace(tzinfo=None) for day in curves.days], dtype="datetime64[us]")
    axes.plot(days, values, DASHES[number % len(DASHES)], color=colour(number), linewidth=1.8, label=name)
    if metric != KNOWN:
        axes.fill_between(days, values - halves, values + halves, color=colour(number), alpha=0.1, linewidth=0)
    new = np.array(curves.new.get(name, [False] * len(days)))
    axes.plot(days[new], values[new], "o", color=colour(number), markersize=5)
