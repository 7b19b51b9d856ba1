"""What matplotlib has drawn."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D


def legend_lines(axes: Axes) -> dict[str, Line2D]:
    """Those that the legend names."""
    return {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def line_points(line: Line2D) -> list[tuple[Any, Any]]:
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]


def star_points(axes: Axes) -> list[tuple[Any, Any]]:
    return [point for line in axes.lines if line.get_marker() == "*" for point in line_points(line)]
