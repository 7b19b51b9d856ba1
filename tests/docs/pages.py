"""The pages that a user reads, and what is in their code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SHELL = ("", "sh", "bash", "console")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")


def named_targets(page: Path) -> set[str]:
    """The targets of make that prose speaks of."""
    return {code.removeprefix("make ") for code in inline(page) if re.fullmatch(r"make [a-z-]+", code)}


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def fences(page: Path, *languages: str) -> list[str]:
    """The fenced code of a page in one of some languages, without the fence's own indentation."""
    found = FENCE.finditer(page.read_text())
    return [re.sub(f"(?m)^{code[1]}", "", code[3]) for code in found if code[2] in languages]


def inline(page: Path) -> list[str]:
    """The inline code of a page."""
    return INLINE.findall(FENCE.sub("", page.read_text()))


def shell_lines(page: Path) -> Iterator[list[str]]:
    """The words of each line that a user may type, fenced or inline, without comments and variables set before it.

    Two words in prose, such as `make restore`, only name a command, which may want more.
    """
    typed = "\n".join(fences(page, *SHELL)).replace("\\\n", " ").splitlines()
    for line in [*typed, *(code for code in inline(page) if code.count(" ") > 1)]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # output, or a word of prose
            continue
        while words and ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words:
            yield words
