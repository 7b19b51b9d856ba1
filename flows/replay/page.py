"""A backtest as one interactive page."""

import numpy as np
import plotly.graph_objects as go

from flows.comparison.pictures import colour
from flows.replay.values import TITLES, Curves


def sections(curves: Curves) -> dict[str, go.Figure]:
    """The figures under their headings; a click in a legend hides a policy."""
    figures = {f"{words}, by window": _figure(curves, metric) for metric, words in TITLES.items()}
    for figure in figures.values():
        figure.update_layout(template="plotly_white", margin={"t": 40, "r": 20, "b": 50, "l": 60}, height=450)
        figure.update_xaxes(title="the window's first day")
        figure.update_yaxes(rangemode="tozero")
    return figures


def _figure(curves: Curves, metric: str) -> go.Figure:
    figure = go.Figure()
    for name, values in curves.means[metric].items():
        number = curves.names.index(name)
        new = curves.new.get(name, [False] * len(values))
        marker = {"symbol": ["circle" if fresh else "circle-open" for fresh in new], "size": 8}
        hover = [
            f"{users} users{', new model' if fresh else ''}" for users, fresh in zip(curves.users, new, strict=True)
        ]
        figure.add_scatter(
            x=list(curves.days),
            y=values.tolist(),
            error_y={"type": "data", "array": np.nan_to_num(curves.halves[metric][name]).tolist(), "thickness": 1},
            name=name,
            text=hover,
            mode="lines+markers",
            line={"color": colour(number)},
            marker=marker,
        )
    return figure
