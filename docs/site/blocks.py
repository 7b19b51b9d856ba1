"""Parts of a page that a script writes, between two comments: `<!-- result: NAME -->` and `<!-- /result -->`."""

import re
from pathlib import Path


def replaced(page: str, name: str, text: str) -> str:
    """The page with the block's content replaced.

    Args:
        page: Markdown.
        name: of the block.
        text: its new content; lines around it are added.

    Raises:
        ValueError: the page has not one block of this name.
    """
    pattern = re.compile(rf"(<!-- result: {re.escape(name)} -->\n).*?(<!-- /result -->)", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page has {len(pattern.findall(page))} blocks named {name!r}; one is needed")
    return pattern.sub(lambda block: f"{block.group(1)}\n{text.strip()}\n\n{block.group(2)}", page)


def write(path: Path, name: str, text: str) -> None:
    """Replace a block of a file."""
    path.write_text(replaced(path.read_text(), name, text))
