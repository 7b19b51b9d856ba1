"""A page of charts is one file that needs nothing else."""

import re

import pytest
from plotly.graph_objects import Figure, Scatter
from plotly.offline import get_plotlyjs

from flows.charts.chart import BLUE, GREY, Chart, Level, Panel, Series, TextTable, bar_panel
from flows.charts.page import html_page, interactive


def test_all_figures_share_one_script_and_nothing_is_fetched() -> None:
    chart = Chart("", [Panel("", [Series("gmf", BLUE, [1, 2], [3.0, 4.0])])])
    sections = {"First": Figure(Scatter(x=[1, 2], y=[3, 4])), "Second <b>": chart}
    page = html_page("A & B", TextTable(["name"], [["<i>"]]).html(), sections)
    assert page.count(get_plotlyjs()) == 1
    without = page.replace(get_plotlyjs(), "")
    assert without.count("Plotly.newPlot(") == 2
    assert not re.search(r"https?://", re.sub(r"Plotly\.newPlot\(.*", "", without)), "an address outside"
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", without)
    assert "<h1>A &amp; B</h1>" in page and "<td>&lt;i&gt;</td>" in page
    assert page.index(">First</h2>") < page.index(">Second &lt;b&gt;</h2>")
    assert '<a href="#section-2">' in page


def test_a_series_is_in_the_legend_once_and_a_click_hides_it_in_all_panels() -> None:
    panels = [Panel(title, [Series("gmf", BLUE, [1, 2], [0.1, 0.2])], legend=False) for title in ("full", "sampled")]
    first, second = interactive(Chart("", panels, columns=2)).data
    assert (first.showlegend, second.showlegend) == (True, False)
    assert first.legendgroup == second.legendgroup == "gmf"
    assert (first.xaxis, second.xaxis) == ("x", "x2")


def test_stars_filled_dots_intervals_and_notes_are_those_of_the_series() -> None:
    best = Series("gmf", BLUE, [1, 2], [0.1, 0.2], star=2)
    half_filled = Series("mlp", BLUE, [1, 2], [0.1, 0.2], filled=[True, False], error=[0.01, 0.02], notes=["a", "b"])
    steps = Series("front", BLUE, [1.0, 2.0], [0.1, 0.2], "steps")
    drawn = interactive(Chart("", [Panel("", [best, half_filled, steps], [Level(0.15, name="popularity")])]))
    star, dots, front = drawn.data
    assert star.marker.symbol == ("circle", "star")
    assert dots.marker.symbol == ("circle", "circle-open")
    assert list(dots.error_y.array) == [0.01, 0.02] and dots.text == ("a", "b")
    assert front.line.shape == "hv"
    assert drawn.layout.annotations[0].text == "popularity" and drawn.layout.shapes[0].line.color == GREY


def test_bars_are_horizontal_with_their_names_from_the_top() -> None:
    drawn = interactive(Chart("", [bar_panel("HR@10", {"popularity": (0.1, 0.01), "gmf": (0.2, 0.02)})]))
    assert [(list(bar.x), list(bar.error_x.array)) for bar in drawn.data] == [([0.1], [0.01]), ([0.2], [0.02])]
    assert drawn.layout.yaxis.ticktext == ("popularity", "gmf") and drawn.layout.yaxis.autorange == "reversed"


@pytest.mark.parametrize("from_zero", [True, False])
def test_axes_have_their_labels_and_their_beginning(from_zero: bool) -> None:
    panel = Panel("", [Series("gmf", BLUE, [0.0], [0.1])], x_label="K", x_ticks=["2-9\n1 user"], from_zero=from_zero)
    layout = interactive(Chart("", [panel])).layout
    assert layout.xaxis.title.text == "K" and layout.xaxis.ticktext == ("2-9<br>1 user",)
    assert (layout.yaxis.rangemode == "tozero") is from_zero
