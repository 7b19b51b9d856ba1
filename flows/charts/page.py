"""Interactive figures as one HTML page that needs nothing else: plotly's own script is in it, once."""

from collections.abc import Mapping
from html import escape

from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

STYLE = """
body { font-family: sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; } th, td { padding: 0.2em 0.8em; text-align: left; border-bottom: 1px solid #ddd; }
nav a { margin-right: 1em; } footer { color: #555; margin-top: 2em; }
"""


def html_page(title: str, intro: str, sections: Mapping[str, Figure]) -> str:
    """One self-contained page.

    Args:
        title: plain text.
        intro: HTML that stands above the figures.
        sections: figures by their headings (plain text), in this order.
    """
    names = {heading: f"section-{number}" for number, heading in enumerate(sections, start=1)}
    links = "".join(f'<a href="#{name}">{escape(heading)}</a>' for heading, name in names.items())
    figures = "\n".join(
        f'<h2 id="{names[heading]}">{escape(heading)}</h2>\n{_figure(figure)}' for heading, figure in sections.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{intro}\n<nav>{links}</nav>\n{figures}\n</body></html>\n"
    )


def html_table(header: list[str], rows: list[list[str]]) -> str:
    """A table of plain texts."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _figure(figure: Figure) -> str:
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}))
