"""Equations of the pages, as MathML, which browsers draw without a script: fences with the language `math`."""

from typing import Any

from latex2mathml.converter import convert


def fence(source: str, language: str, css_class: str, options: Any, md: Any, **kwargs: Any) -> str:
    """The formatter of a fence, as pymdownx.superfences calls it; one equation a line of LaTeX."""
    lines = [line for line in source.splitlines() if line.strip()]
    return '<div class="equation">' + "".join(convert(line, display="block") for line in lines) + "</div>"
