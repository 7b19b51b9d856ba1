"""A chart, and a table, as plain values. A room computes a chart once; png.py and page.py draw it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import Literal, TypeAlias

import numpy as np
from rich import box
from rich.table import Table as RichTable

Kind: TypeAlias = Literal["line", "steps", "points", "bars"]
Value: TypeAlias = float | datetime

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
BLACK, GREY, PALE = "#000000", "#555555", "#DDDDDD"
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)  # Okabe and Ito's palette: safe for the color-blind


@dataclass(frozen=True)
class Series:
    """What is drawn in one color.

    Attributes:
        name: in the legend.
        color: such as #0072B2.
        x, y: the points. The bars of a series are horizontal: x is their length, y their position from the top.
        kind: line, steps (a line that keeps its value up to the next point), points or bars.
        dash: the style of the line, by number; 0 is solid.
        error: half the 95 % interval of each point; NaN where there is none.
        star: the x of the point that is marked with a star.
        filled: which points of a line have a full dot; all by default.
        notes: what the page shows of a point under the pointer.
    """

    name: str
    color: str
    x: Sequence[Value]
    y: Sequence[float]
    kind: Kind = "line"
    dash: int = 0
    error: Sequence[float] | None = None
    star: float | None = None
    filled: Sequence[bool] | None = None
    notes: Sequence[str] | None = None


@dataclass(frozen=True)
class Level:
    """A horizontal line; without a name it is not in the legend."""

    value: float
    color: str = GREY
    name: str = ""
    dash: int = 0


@dataclass(frozen=True)
class Panel:
    """Series that share their axes.

    Attributes:
        title: above the axes.
        series, levels: drawn in this order.
        x_label, y_label: of the axes.
        x_ticks, y_ticks: names of the positions 0, 1, 2, ... on an axis; y then counts from the top.
        mark: x of a vertical line.
        from_zero: whether the vertical axis begins at 0.
        legend: whether the picture has a legend beside this panel. A page has one for all panels.
    """

    title: str
    series: Sequence[Series]
    levels: Sequence[Level] = ()
    x_label: str = ""
    y_label: str = ""
    x_ticks: Sequence[str] = ()
    y_ticks: Sequence[str] = ()
    mark: float | None = None
    from_zero: bool = False
    legend: bool = True

    @property
    def counts(self) -> bool:
        """Whether the horizontal axis has whole numbers only, such as epochs."""
        return all(isinstance(x, int) for series in self.series for x in series.x)

    @property
    def dated(self) -> bool:
        """Whether the horizontal axis is time."""
        return any(isinstance(x, datetime) for series in self.series for x in series.x)

    def without_errors(self) -> "Panel":
        """The same panel without intervals."""
        return replace(self, series=[replace(series, error=None) for series in self.series])


@dataclass(frozen=True)
class Chart:
    """Panels on a grid, row by row.

    Attributes:
        title: above the picture.
        panels: as many as fill the grid.
        columns: of the grid.
        height: of the picture, in inches; it is 9 inches wide.
        share: the axis that all panels have in common.
    """

    title: str
    panels: Sequence[Panel]
    columns: int = 1
    height: float = 5.5
    share: Literal["none", "x", "y"] = "none"

    @property
    def rows(self) -> int:
        """Rows of the grid."""
        return -(-len(self.panels) // self.columns)


def model_color(index: int) -> str:
    """Color of a model by its index: grey for the reference, so that the others keep theirs from chart to chart."""
    return GREY if index == 0 else COLORS[(index - 1) % len(COLORS)]


def bar_panel(title: str, bars: dict[str, tuple[float, float]]) -> Panel:
    """One horizontal bar per model, the first on top.

    Args:
        title: the metric.
        bars: mean and half the 95 % interval, by model.
    """
    series = [
        Series(name, model_color(index), [mean], [index], "bars", error=finite([half]))
        for index, (name, (mean, half)) in enumerate(bars.items())
    ]
    return Panel(title, series, y_ticks=list(bars), legend=False)


def finite(values: Sequence[float]) -> list[float]:
    """The values with NaN for infinity: a single user gives no interval."""
    return [value if np.isfinite(value) else np.nan for value in values]


@dataclass(frozen=True)
class TextTable:
    """Rows of texts. The first column is aligned left, all others right.

    Attributes:
        header: titles of the columns.
        rows: one text per column.
        bold: indices of the rows that stand out on the terminal.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: Collection[int] = ()

    def markdown(self) -> str:
        """For Prefect's markdown artifacts and MLflow's notes."""
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def html(self) -> str:
        """For a page of charts."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f"<table><tr>{head}</tr>{body}</table>"

    def records(self) -> list[dict[str, str]]:
        """For Prefect's table artifacts."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]

    def terminal(self, title: str | None = None, *, narrow: bool = False) -> RichTable:
        """For the terminal.

        Args:
            title: above the table.
            narrow: break the header at each space, and leave no room between the columns.
        """
        padding = 0 if narrow else (0, 1, 0, 0)
        table = RichTable(title=title, box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False)
        for index, name in enumerate(self.header):
            words = name.replace(" ", "\n") if narrow else name
            table.add_column(words, justify="right" if index else "left", no_wrap=True)
        for index, row in enumerate(self.rows):
            table.add_row(*row, style="bold" if index in self.bold else None)
        return table
