"""Links of Markdown pages: find them outside code, resolve them in the repository, rewrite them for the site."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
GENERATED = frozenset({"reference/settings.md", "reference/flows.md"})  # when the site is built
COPIES = "repository"  # folder of the site for files of the repository that pages link to

CODE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$|`+[^`\n]+`+|<!--.*?-->", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()([^()\s]+)(\))")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.IGNORECASE)


def outside_code(markdown: str) -> Iterator[tuple[bool, str]]:
    """Yield the text in pieces, in order: whether the piece is prose, and the piece."""
    at = 0
    for code in CODE.finditer(markdown):
        yield True, markdown[at : code.start()]
        yield False, code.group()
        at = code.end()
    yield True, markdown[at:]


def targets(markdown: str) -> list[str]:
    """Return the targets of a page's links and pictures in this repository, as written, with their anchors."""
    prose = "".join(piece if is_prose else "`code`" for is_prose, piece in outside_code(markdown))
    return [link.group(2) for link in LINK.finditer(prose) if not ELSEWHERE.match(link.group(2))]


def resolve(source: PurePosixPath, target: str) -> tuple[PurePosixPath, str]:
    """Return the target of a link: its path from the repository's root, and its anchor with the #, or ""."""
    path, mark, anchor = target.partition("#")
    return PurePosixPath(os.path.normpath(source.parent / path)), mark + anchor


def page_of(path: PurePosixPath) -> str:
    """Return the site's page for a file of the repository; text that is not Markdown gets a page of its own."""
    if path.as_posix() in PAGES:
        return PAGES[path.as_posix()]
    if path.is_relative_to("docs"):
        return path.relative_to("docs").as_posix()
    return f"{COPIES}/{path}" if path.suffix in (".md", ".png", ".svg") else f"{COPIES}/{path}.md"


def source_of(page: str) -> PurePosixPath:
    """Return the file that a page of the site is made from; generated pages count as files of docs/."""
    for source, name in PAGES.items():
        if page == name:
            return PurePosixPath(source)
    if not page.startswith(f"{COPIES}/"):
        return PurePosixPath("docs", page)
    path = PurePosixPath(page).relative_to(COPIES)
    return path if (REPOSITORY / path).is_file() else path.with_suffix("")


def rewrite_links(markdown: str, page: str, missing: Callable[[str], None]) -> str:
    """Return a page whose links lead to pages of the site.

    Args:
        markdown: the page, with links that are correct in the repository.
        page: URI of the page in the site.
        missing: called with each link that leads nowhere; such a link is not changed.
    """
    source = source_of(page)

    def rewrite(link: re.Match[str]) -> str:
        if ELSEWHERE.match(link.group(2)):
            return link.group()
        path, anchor = resolve(source, link.group(2))
        uri = page_of(path)
        if not (REPOSITORY / path).is_file() and uri not in GENERATED:
            missing(link.group(2))
            return link.group()
        return f"{link.group(1)}{os.path.relpath(uri, PurePosixPath(page).parent)}{anchor}{link.group(3)}"

    return "".join(LINK.sub(rewrite, piece) if prose else piece for prose, piece in outside_code(markdown))


def linked_files(pages: list[PurePosixPath]) -> list[PurePosixPath]:
    """Return the files outside docs/ that pages link to, directly or through other files, in order of discovery."""
    found: list[PurePosixPath] = []
    waiting = list(pages)
    while waiting:
        source = waiting.pop(0)
        for target in targets((REPOSITORY / source).read_text()):
            path, _anchor = resolve(source, target)
            new = path not in found and path not in pages and not path.is_relative_to("docs")
            if new and (REPOSITORY / path).is_file():
                found.append(path)
                waiting += [path] if path.suffix == ".md" else []
    return found
