"""A backtest as one interactive page."""

import numpy as np
import plotly.graph_objects as go

from flows.backtest.charts import SO_FAR, TITLES, Curves
from flows.charts.pictures import colour
from ncf.evaluation.metrics import Values


def sections(curves: Curves) -> dict[str, go.Figure]:
    """The figures under their headings; a click in a legend hides a policy."""
    gains = {f"NDCG@10 more than {curves.reference}: {SO_FAR}": _gains(curves)}
    figures = gains | {f"{words}, by window": _by_window(curves, metric) for metric, words in TITLES.items()}
    for figure in figures.values():
        figure.update_layout(template="plotly_white", margin={"t": 40, "r": 20, "b": 50, "l": 60}, height=450)
        figure.update_xaxes(title="the window's first day")
    return figures


def _gains(curves: Curves) -> go.Figure:
    figure = go.Figure()
    for name, means in curves.gains.items():
        _add(figure, curves, name, np.array([mean.value for mean in means]), np.array([m.half_width for m in means]))
    figure.add_hline(y=0, line={"color": colour(curves.names.index(curves.reference))})
    return figure


def _by_window(curves: Curves, metric: str) -> go.Figure:
    figure = go.Figure()
    for name, values in curves.means[metric].items():
        _add(figure, curves, name, values, curves.halves[metric][name])
    figure.update_yaxes(rangemode="tozero")
    return figure


def _add(figure: go.Figure, curves: Curves, name: str, values: Values, halves: Values) -> None:
    """A curve with its intervals; a full circle is a window whose model is new."""
    new = curves.new.get(name, [False] * len(values))
    counts = [f"{users} user{'s' * (users != 1)}" for users in curves.users]
    words = [f"{count}{', new model' if fresh else ''}" for count, fresh in zip(counts, new, strict=True)]
    figure.add_scatter(
        x=list(curves.days),
        y=values.tolist(),
        error_y={"type": "data", "array": np.where(np.isfinite(halves), halves, 0.0).tolist(), "thickness": 1},
        name=name,
        text=words,
        mode="lines+markers",
        line={"color": colour(curves.names.index(name))},
        marker={"symbol": ["circle" if fresh else "circle-open" for fresh in new], "size": 8},
    )
