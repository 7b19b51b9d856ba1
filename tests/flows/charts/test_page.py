"""A page of figures is one file that needs nothing else."""

import re

from plotly.graph_objects import Figure, Scatter
from plotly.offline import get_plotlyjs

from flows.charts.page import html_page, html_table


def test_all_figures_share_one_script_and_nothing_is_fetched() -> None:
    figures = {heading: Figure(Scatter(x=[1, 2], y=[3, 4])) for heading in ("First", "Second <b>")}
    page = html_page("A & B", html_table(["name"], [["<i>"]]), figures)
    assert page.count(get_plotlyjs()) == 1
    without = page.replace(get_plotlyjs(), "")
    assert without.count("Plotly.newPlot(") == 2
    assert not re.search(r"https?://", re.sub(r"Plotly\.newPlot\(.*", "", without)), "an address outside"
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", without)
    assert "<h1>A &amp; B</h1>" in page and "<td>&lt;i&gt;</td>" in page
    assert page.index(">First</h2>") < page.index(">Second &lt;b&gt;</h2>")
    assert '<a href="#section-2">' in page
