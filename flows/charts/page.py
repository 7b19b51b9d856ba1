"""Interactive charts on one HTML page, drawn by plotly. The page needs no network: plotly's script is in it, once."""

from collections.abc import Mapping
from html import escape
from typing import Any

from plotly.graph_objects import Bar, Figure, Scatter
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from flows.charts.chart import Chart, Panel, Series

DASHES = ("solid", "dash", "dashdot", "dot")
MARGIN = {"t": 40, "r": 20, "b": 50, "l": 60}
MIN_HEIGHT, ROW_HEIGHT = 450, 300  # pixels
STYLE = """
body { font-family: sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; } th, td { padding: 0.2em 0.8em; text-align: left; border-bottom: 1px solid #ddd; }
nav a { margin-right: 1em; } footer { color: #555; margin-top: 2em; }
"""


def html_page(title: str, intro: str, sections: Mapping[str, Chart | Figure]) -> str:
    """One self-contained page.

    Args:
        title: plain text.
        intro: HTML above the charts.
        sections: charts, or figures of plotly, by their headings (plain text).
    """
    links, figures = "", ""
    for number, (heading, content) in enumerate(sections.items(), start=1):
        figure = interactive(content) if isinstance(content, Chart) else content
        html = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
        links += f'<a href="#section-{number}">{escape(heading)}</a>'
        figures += f'<h2 id="section-{number}">{escape(heading)}</h2>\n{html}\n'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{intro}\n<nav>{links}</nav>\n{figures}</body></html>\n"
    )


def interactive(chart: Chart) -> Figure:
    """A chart as a figure of plotly; a click in its legend hides a series in all panels."""
    shared = {"shared_xaxes": chart.share == "x", "shared_yaxes": chart.share == "y"}
    titles = [panel.title for panel in chart.panels] if len(chart.panels) > 1 else None  # the heading says it
    spacing = 0.2 if any(panel.y_ticks for panel in chart.panels) else None  # room for the names
    figure = make_subplots(chart.rows, chart.columns, subplot_titles=titles, horizontal_spacing=spacing, **shared)
    named: set[str] = set()
    for index, panel in enumerate(chart.panels):
        cell = {"row": index // chart.columns + 1, "col": index % chart.columns + 1}
        for series in panel.series:
            figure.add_trace(_trace(series, show_name=series.name not in named), **cell)
            named.add(series.name)
        for level in panel.levels:
            line = {"color": level.color, "dash": DASHES[level.dash % len(DASHES)]}
            figure.add_hline(y=level.value, line=line, annotation_text=level.name, **cell)
        _set_axes(figure, panel, cell)
    height = max(MIN_HEIGHT, ROW_HEIGHT * chart.rows)
    return figure.update_layout(template="plotly_white", margin=MARGIN, height=height)


def _trace(series: Series, show_name: bool) -> Bar | Scatter:
    about = {"name": series.name, "legendgroup": series.name, "showlegend": show_name and series.kind != "bars"}
    x, y = list(series.x), list(series.y)
    error = None if series.error is None else {"type": "data", "array": list(series.error), "thickness": 1}
    if series.kind == "bars":
        return Bar(x=x, y=y, error_x=error, orientation="h", marker={"color": series.color}, **about)
    symbols = ["star" if series.star is not None and value == series.star else "circle" for value in x]
    if series.filled is not None:
        symbols = ["circle" if full else "circle-open" for full in series.filled]
    return Scatter(
        x=x,
        y=y,
        error_y=error,
        text=None if series.notes is None else list(series.notes),
        mode="markers" if series.kind == "points" else "lines+markers",
        line={"color": series.color, "shape": "hv" if series.kind == "steps" else "linear"},
        marker={"symbol": symbols, "size": [14 if symbol == "star" else 7 for symbol in symbols]},
        **about,
    )


def _set_axes(figure: Figure, panel: Panel, cell: Mapping[str, int]) -> None:
    x: dict[str, Any] = {"title": panel.x_label}
    y: dict[str, Any] = {"title": panel.y_label, "rangemode": "tozero" if panel.from_zero else "normal"}
    if panel.x_ticks:
        x |= {"tickvals": list(range(len(panel.x_ticks))), "ticktext": [_break(tick) for tick in panel.x_ticks]}
    if panel.y_ticks:
        y |= {"tickvals": list(range(len(panel.y_ticks))), "ticktext": list(panel.y_ticks), "autorange": "reversed"}
    figure.update_xaxes(x, **cell)
    figure.update_yaxes(y, **cell)
    if panel.mark is not None:
        figure.add_vline(x=panel.mark, line={"dash": "dot"}, **cell)


def _break(text: str) -> str:
    return text.replace("\n", "<br>")
