"""Learning curves and trials as figures, from plain numbers: nothing here knows MLflow, or draws on a shared canvas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

Points = Mapping[int, float]

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
BLACK = "#000000"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)  # Okabe and Ito's: told apart by the colour-blind too
DASHES = ("-", "--", "-.", ":")  # and in black and white
GREY, PALE = "#555555", "#DDDDDD"
TITLE, LABEL, SMALL, DPI = 14, 12, 11, 110
PALETTE = 128  # colours of a picture's file


@dataclass(frozen=True)
class Curve:
    """What was measured after each epoch.

    Attributes:
        name: the legend's word for it.
        points: the value by epoch.
        best: the epoch whose weights were kept.
    """

    name: str
    points: Points
    best: int


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes."""

    title: str
    label: str
    curves: Sequence[Curve]


def draw_training(title: str, panels: Sequence[Panel]) -> Figure:
    """The curves of one model, the panels under each other; a panel without a curve is left out."""
    shown = [panel for panel in panels if panel.curves]
    figure = new_figure(title, height=1 + 2.6 * len(shown))
    for number, panel in enumerate(shown, start=1):
        axes = figure.add_subplot(len(shown), 1, number, sharex=figure.axes[0] if figure.axes else None)
        axes.set_title(panel.title, fontsize=LABEL, loc="left")
        _fill(axes, panel.curves, panel.label)
        axes.axvline(panel.curves[0].best, color=GREY, linestyle=":", linewidth=1.2, zorder=1)
    for axes in figure.axes:
        axes.label_outer()
    figure.align_ylabels()
    return figure


def draw_comparison(
    title: str, label: str, curves: Sequence[Curve], levels: Mapping[str, float], names: Sequence[str]
) -> Figure:
    """The same figure of several models, and as horizontal lines what has no epochs.

    Args:
        title: stands above.
        label: what is measured.
        curves: one a model.
        levels: values by name.
        names: of all that is compared: a curve has the colour of its place there.
    """
    figure = new_figure(title, height=5.5)
    axes = figure.add_subplot()
    for (name, level), dashes in zip(levels.items(), DASHES[1:] * len(levels), strict=False):
        axes.axhline(level, color=GREY, linestyle=dashes, linewidth=1.5, label=name, zorder=1)
    _fill(axes, curves, label, [colour(names.index(curve.name)) for curve in curves])
    return figure


def draw_front(
    title: str,
    labels: tuple[str, str],
    others: Sequence[tuple[float, float]],
    front: Sequence[tuple[float, float]],
) -> Figure:
    """Trials by two objectives; those that no other beats in both are joined by steps.

    Args:
        title: stands above.
        labels: of the horizontal axis, where less is better, and of the vertical, where more is.
        others: the trials behind the front.
        front: the trials on it.
    """
    figure = new_figure(title, height=5.5)
    axes = figure.add_subplot()
    if others:
        across, up = zip(*others, strict=True)
        axes.scatter(across, up, color=GREY, s=25, label="beaten by another in both")
    ordered = sorted(front)
    across, up = zip(*ordered, strict=True)
    axes.step(across, up, "-", where="post", color=BLUE, linewidth=1.2)
    axes.plot(across, up, "o", color=BLUE, markersize=8, label="the front")
    axes.set_xlabel(labels[0], fontsize=LABEL)
    axes.set_ylabel(labels[1], fontsize=LABEL)
    _tidy(axes)
    return figure


def new_figure(title: str, height: float) -> Figure:
    """An empty figure in the house's style; `height` in inches."""
    figure = Figure(figsize=(9, height), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=TITLE)
    return figure


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file with a palette: a third of the size, and the eye sees no difference."""
    whole = BytesIO()
    figure.savefig(whole, format="png")
    Image.open(whole).convert("RGB").quantize(PALETTE).save(path, format="PNG", optimize=True)


def colour(number: int) -> str:
    """The reference is grey, so that the models keep their colours from picture to picture."""
    return GREY if number == 0 else COLOURS[(number - 1) % len(COLOURS)]


def _fill(axes: Axes, curves: Sequence[Curve], label: str, colours: Sequence[str] = COLOURS) -> None:
    for number, curve in enumerate(curves):
        _draw(axes, curve, colours[number], DASHES[number % len(DASHES)])
    axes.set_xlabel("epoch", fontsize=LABEL)
    axes.set_ylabel(label, fontsize=LABEL)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    plain(axes)
    axes.legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def plain(axes: Axes) -> None:
    """Small labels, a pale grid behind, no box."""
    axes.tick_params(labelsize=SMALL)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw(axes: Axes, curve: Curve, shade: str, dashes: str) -> None:
    epochs = sorted(curve.points)
    values = [curve.points[epoch] for epoch in epochs]
    axes.plot(epochs, values, dashes, color=shade, marker=".", linewidth=1.8, label=curve.name)
    if curve.best in curve.points:
        axes.plot(curve.best, curve.points[curve.best], "*", color=shade, markersize=15, markeredgecolor="white")
