"""Blocks of a page that a script writes, between `<!-- result: NAME -->` and `<!-- /result -->`."""

import re
from pathlib import Path


def replace_block(page: str, name: str, text: str) -> str:
    """Return the page with the content of a block replaced.

    Args:
        page: the page as Markdown.
        name: name of the block.
        text: new content, without empty lines around it.

    Raises:
        ValueError: the page does not have exactly one block of this name.
    """
    pattern = re.compile(rf"(<!-- result: {re.escape(name)} -->\n).*?(<!-- /result -->)", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page has {len(pattern.findall(page))} blocks named {name!r}; allowed: 1")
    return pattern.sub(lambda block: f"{block.group(1)}\n{text.strip()}\n\n{block.group(2)}", page)


def write(path: Path, name: str, text: str) -> None:
    """Replace the content of a block in a file."""
    path.write_text(replace_block(path.read_text(), name, text))
