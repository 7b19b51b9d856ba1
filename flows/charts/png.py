"""Charts as PNG files, drawn by matplotlib."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from flows.charts.chart import GREY, PALE, Chart, Panel, Series

DASHES = ("-", "--", "-.", ":")  # told apart in black and white
TITLE, LABEL, SMALL, DPI = 14, 12, 11, 110
WIDTH = 9  # inches
PALETTE = 128  # colors of a file


def png(chart: Chart) -> bytes:
    """A chart as a PNG file with a palette: a third of the size, and the eye sees no difference."""
    full, small = BytesIO(), BytesIO()
    draw(chart).savefig(full, format="png")
    Image.open(full).convert("RGB").quantize(PALETTE).save(small, format="PNG", optimize=True)
    return small.getvalue()


def draw(chart: Chart) -> Figure:
    """A chart as a figure of matplotlib."""
    figure = Figure(figsize=(WIDTH, chart.height), dpi=DPI, layout="constrained")
    figure.suptitle(chart.title, fontsize=TITLE)
    grid = figure.subplots(
        chart.rows, chart.columns, squeeze=False, sharex=chart.share == "x", sharey=chart.share == "y"
    )
    for axes, panel in zip(grid.flat, chart.panels, strict=True):
        _draw_panel(axes, panel)
        if chart.share != "none":
            axes.label_outer()
    figure.align_ylabels()
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for level in panel.levels:
        style = DASHES[level.dash % len(DASHES)]
        label = level.name or "_"  # matplotlib leaves such a name out of the legend
        axes.axhline(level.value, color=level.color, linestyle=style, linewidth=1.5, zorder=1, label=label)
    for series in panel.series:
        _draw_series(axes, series)
    if panel.mark is not None:
        axes.axvline(panel.mark, color=GREY, linestyle=":", linewidth=1.2, zorder=1)
    _draw_axes(axes, panel)
    if panel.legend:
        axes.legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _draw_series(axes: Axes, series: Series) -> None:
    x: list[Any] = list(series.x)
    y, color, error = list(series.y), series.color, series.error
    if series.kind == "bars":
        axes.barh(y, x, xerr=error, color=color, error_kw={"ecolor": GREY, "capsize": 3})
        return
    if series.kind == "points":
        axes.errorbar(x, y, yerr=error, fmt="o", markersize=5, color=color, capsize=2, label=series.name)
        return
    filled = range(len(x)) if series.filled is None else np.flatnonzero(series.filled).tolist()
    is_small = series.filled is None and series.kind == "line"
    axes.plot(
        x,
        y,
        label=series.name,
        color=color,
        linestyle=DASHES[series.dash % len(DASHES)],
        linewidth=1.8,
        drawstyle="steps-post" if series.kind == "steps" else "default",
        marker="." if is_small else "o",
        markersize=6 if is_small else 5,
        markevery=list(filled),
    )
    if error is not None:
        low, high = np.subtract(y, error), np.add(y, error)
        axes.fill_between(x, low, high, color=color, alpha=0.12, linewidth=0)
    if series.star is not None and series.star in x:
        best = x.index(series.star)
        axes.plot(x[best], y[best], "*", color=color, markersize=15, markeredgecolor="white")


def _draw_axes(axes: Axes, panel: Panel) -> None:
    """Labels and ticks; a pale grid behind, no box."""
    axes.set_title(panel.title, fontsize=LABEL, loc="left")
    axes.set_xlabel(panel.x_label, fontsize=LABEL)
    axes.set_ylabel(panel.y_label, fontsize=LABEL)
    if panel.x_ticks:
        axes.set_xticks(range(len(panel.x_ticks)), list(panel.x_ticks))
    elif panel.counts:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    elif panel.dated:
        axes.xaxis.set_major_locator(AutoDateLocator(maxticks=8))  # type: ignore[no-untyped-call]
    if panel.y_ticks:
        axes.set_yticks(range(len(panel.y_ticks)), list(panel.y_ticks))
        if not axes.yaxis_inverted():  # panels that share the axis have inverted it already
            axes.invert_yaxis()
    if panel.from_zero:
        axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=SMALL)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
