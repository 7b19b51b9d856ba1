"""A comparison as pictures (PNG), which MLflow's UI shows under Artifacts."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from plotly.subplots import make_subplots

from flows.charts.page import html_page, html_table
from flows.charts.pictures import DASHES, GREY, LABEL, SMALL, Curve, colour, draw_comparison, new_figure, plain
from flows.retrain.comparison import Compared, compared, groups_in_words
from flows.retrain.curves import CURVES, compared_curves, describe
from flows.retrain.report import Report
from flows.tracking.keys import PROTOCOLS
from flows.tracking.tracking import ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.evaluation.evaluate import ITEM_POPULARITY, USER_ACTIVITY
from ncf.evaluation.ranking import Ranks

GROUPED_BY = {
    USER_ACTIVITY: "users by their interactions in train",
    ITEM_POPULARITY: "users by how often their held-out item is in train",
}


def draw_bars(compared: Compared) -> Figure:
    """The test metrics of the table with their 95 % intervals: a panel a metric, a bar a model."""
    figure = new_figure(f"{compared.dataset}: test holdout, with 95 % intervals over users", height=6.5)
    panels = np.ravel(figure.subplots(2, -(-len(compared.bars) // 2)))
    for axes, (title, bars) in zip(panels, compared.bars.items(), strict=False):
        places = range(len(bars))
        means, halves = zip(*bars.values(), strict=True)
        axes.barh(places, means, xerr=halves, color=_colours(compared), error_kw={"ecolor": GREY, "capsize": 3})
        axes.set_yticks(places, list(bars))
        axes.invert_yaxis()  # the table's order from above
        axes.set_title(title, fontsize=LABEL, loc="left")
        plain(axes)
    return figure


def draw_hits(compared: Compared) -> Figure:
    """HR@K over K: a panel a protocol, a curve a model."""
    figure = new_figure(f"{compared.dataset}: HR@K on the test holdout", height=4.8)
    for axes, (protocol, curves) in zip(figure.subplots(1, len(compared.hits)), compared.hits.items(), strict=True):
        for number, (name, values) in enumerate(curves.items()):
            style = DASHES[number % len(DASHES)]
            axes.plot(range(1, len(values) + 1), values, style, color=colour(number), linewidth=1.8, label=name)
        axes.set_title(PROTOCOLS[protocol], fontsize=LABEL, loc="left")
        axes.set_xlabel("K", fontsize=LABEL)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axes)
    figure.axes[-1].legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def draw_groups(compared: Compared) -> Figure:
    """How much better than the reference each model is, by group of users: a panel a kind of group."""
    figure = new_figure(f"{compared.dataset}: NDCG@10, full ranking, less that of {compared.reference}", height=7)
    panels = figure.subplots(2, 1)
    for axes, (kind, words) in zip(panels, GROUPED_BY.items(), strict=True):
        _groups(axes, compared, kind)
        axes.set_title(words, fontsize=LABEL, loc="left")
    figure.axes[0].legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _groups(axes: Axes, compared: Compared, kind: str) -> None:
    rows = compared.differences[compared.differences["grouped_by"] == kind]
    models = compared.names[1:]
    for number, name in enumerate(models, start=1):
        mine = rows[rows["model"] == name]
        places = np.arange(len(mine)) + (number - (len(models) + 1) / 2) * 0.8 / len(models)
        half = (mine["high"] - mine["difference"]).where(np.isfinite(mine["high"]), 0.0)  # one user: no interval
        axes.errorbar(places, mine["difference"], yerr=half, fmt="o", color=colour(number), capsize=2, label=name)
    axes.axhline(0, color=GREY, linewidth=1)
    ticks = [words.replace("<br>", "\n") for words in groups_in_words(rows)]
    axes.set_xticks(range(len(ticks)), ticks)
    plain(axes)


def _colours(compared: Compared) -> list[str]:
    return [colour(number) for number in range(len(compared.names))]


def sections(compared: Compared, label: str, curves: list[Curve], levels: Mapping[str, float]) -> dict[str, go.Figure]:
    """The figures under their headings.

    Args:
        compared: the test holdout.
        label: what the learning curves measure.
        curves: of each model, by epoch.
        levels: the same of what has no epochs.
    """
    figures = {
        "Test holdout, with 95 % intervals over users": bars(compared),
        "HR@K on the test holdout": hits(compared),
        f"NDCG@10 (full ranking) less that of {compared.reference}, by group": groups(compared),
        f"Validation by epoch: {label}": learning(compared, label, curves, levels),
    }
    for figure in figures.values():
        figure.update_layout(template="plotly_white", margin={"t": 40, "r": 20, "b": 50, "l": 60}, height=450)
    return figures


def bars(compared: Compared) -> go.Figure:
    """A panel a metric, a bar a model."""
    figure = make_subplots(rows=1, cols=len(compared.bars), subplot_titles=list(compared.bars))
    for column, (title, values) in enumerate(compared.bars.items(), start=1):
        means, halves = zip(*values.values(), strict=True)
        figure.add_bar(
            x=list(values),
            y=means,
            error_y={"type": "data", "array": halves},
            marker={"color": [colour(number) for number in range(len(values))]},
            name=title,
            showlegend=False,
            row=1,
            col=column,
        )
    return figure


def hits(compared: Compared) -> go.Figure:
    """A panel a protocol, a curve a model; a click in the legend hides a model in both."""
    figure = make_subplots(rows=1, cols=len(compared.hits), subplot_titles=[PROTOCOLS[key] for key in compared.hits])
    for column, curves in enumerate(compared.hits.values(), start=1):
        for number, (name, values) in enumerate(curves.items()):
            places = list(range(1, len(values) + 1))
            line = {"color": colour(number)}
            shown = {"legendgroup": name, "showlegend": column == 1, "mode": "lines"}
            figure.add_scatter(x=places, y=values, name=name, line=line, row=1, col=column, **shown)
    figure.update_xaxes(title="K")
    figure.update_yaxes(rangemode="tozero")
    return figure


def groups(compared: Compared) -> go.Figure:
    """A panel a kind of group, a point with its interval a model."""
    figure = make_subplots(rows=1, cols=len(GROUPED_BY), subplot_titles=list(GROUPED_BY.values()))
    for column, kind in enumerate(GROUPED_BY, start=1):
        rows = compared.differences[compared.differences["grouped_by"] == kind]
        ticks = groups_in_words(rows)
        for number, name in enumerate(compared.names[1:], start=1):
            mine = rows[rows["model"] == name]
            half = (mine["high"] - mine["difference"]).replace(float("inf"), 0.0)  # one user: no interval
            marker = {"color": colour(number)}
            shown = {"legendgroup": name, "showlegend": column == 1}
            error = {"type": "data", "array": half}
            figure.add_bar(
                x=ticks, y=mine["difference"], error_y=error, name=name, marker=marker, row=1, col=column, **shown
            )
    figure.update_layout(barmode="group")
    return figure


def learning(compared: Compared, label: str, curves: list[Curve], levels: Mapping[str, float]) -> go.Figure:
    """A curve a model with a star at its best epoch; what has no epochs as a horizontal line."""
    figure = go.Figure()
    for curve in curves:
        epochs = sorted(curve.points)
        symbols = ["star" if epoch == curve.best else "circle" for epoch in epochs]
        sizes = [14 if epoch == curve.best else 5 for epoch in epochs]
        style = {
            "line": {"color": colour(compared.names.index(curve.name))},
            "marker": {"symbol": symbols, "size": sizes},
        }
        values = [curve.points[epoch] for epoch in epochs]
        figure.add_scatter(x=epochs, y=values, name=curve.name, mode="lines+markers", **style)
    for name, level in levels.items():
        figure.add_hline(y=level, line={"color": GREY, "dash": "dash"}, annotation_text=name)
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title=label)
    return figure


PAGE = "comparison.html"
BARS, HITS, GROUPS = "comparison_metrics.png", "comparison_hr_at_k.png", "comparison_groups.png"


def keep_comparison(
    tracker: Tracker,
    report: Report,
    models: Sequence[ModelRun],
    baselines: Sequence[ModelRun],
    data: PreparedData,
    key: str,
    serving: Mapping[str, Ranks],
) -> None:
    """Draw all that a person needs to see which model is better, for whom, and why.

    Args:
        tracker: where the models are kept.
        report: of the retraining.
        models: those with epochs.
        baselines: those without; the first is what the groups' differences are taken from.
        data: the prepared data set.
        key: the metric that chose the best epochs.
        serving: the champion that the best was set against, ranked on the same holdout.
    """
    values = compared(tracker, [*baselines, *models], data, serving)
    curves, levels = compared_curves(tracker, models, baselines, key)
    title = f"{tracker.dataset}: validation by epoch, ★ is each model's best"
    pictures = {
        CURVES: draw_comparison(title, describe(key), curves, levels, values.names),
        BARS: draw_bars(values),
        HITS: draw_hits(values),
        GROUPS: draw_groups(values),
    }
    for name, picture in pictures.items():
        tracker.artifacts.log_picture(report.run_id, picture, name)
    intro = f"<p>{escape(report.verdict())}</p>{html_table(report.header, [row.cells() for row in report.rows])}"
    figures = sections(values, describe(key), curves, levels)
    tracker.artifacts.log_text(report.run_id, html_page(f"Retraining of {tracker.dataset}", intro, figures), PAGE)
