"""A comparison as one interactive page."""

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from flows.comparison.pictures import GROUPED_BY
from flows.comparison.values import Compared, groups_in_words
from flows.keys import PROTOCOLS
from flows.pictures import GREY, Curve, colour


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
