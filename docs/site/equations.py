"""Equations as MathML, which browsers render without a script: fences with the language `math`."""

from typing import Any

from latex2mathml.converter import convert


def fence(source: str, language: str, css_class: str, options: Any, md: Any, **kwargs: Any) -> str:
    """Format a fence for pymdownx.superfences; each line of LaTeX is one equation."""
    lines = [line for line in source.splitlines() if line.strip()]
    return '<div class="equation">' + "".join(convert(line, display="block") for line in lines) + "</div>"
