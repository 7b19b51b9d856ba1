"""MkDocs' hooks: pages from elsewhere in the repository and generated ones, links between them, diagrams, checks."""

import logging
import re
from pathlib import PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.site import flows_page, settings_page
from docs.site.links import PAGES, REPOSITORY, copied, page_of, rewritten

LOG = logging.getLogger("mkdocs.plugins.ncf")  # warnings below "mkdocs" end a strict build
GENERATORS = {"reference/settings.md": settings_page.page, "reference/flows.md": flows_page.page}
WRITTEN = ("reliability.md",)  # by `make reliability`
DIAGRAM = re.compile(r'<img alt="([^"]*)" src="(?:\.\./)*images/diagrams/([a-z-]+\.svg)" ?/?>')
RAW = (
    ("a fence that was not understood; indent what belongs to a list item by four spaces", re.compile(r"<p>[^<]*```")),
    ("a list without an empty line before it", re.compile(r"<p>[^<]*\n(?:[-*]|\d+\.) ")),
    ("a table that was not understood", re.compile(r"<p>[^<]*\| ---|<p>\| ")),
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what a script writes and has not written yet."""
    for section in config.nav or []:
        for title, entries in section.items():
            if isinstance(entries, list):
                section[title] = [entry for entry in entries if not _awaited(entry)]
    return config


def _awaited(entry: dict[str, str]) -> bool:
    page = next(iter(entry.values()))
    return page in WRITTEN and not (REPOSITORY / "docs" / page).exists()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not lie in docs/."""
    written = [PurePosixPath("docs", file.src_uri) for file in files.documentation_pages()]
    sources = [*(PurePosixPath(path) for path in PAGES), *written]
    for path in [*(PurePosixPath(path) for path in PAGES), *copied(sources)]:
        files.append(_copy(path, config))
    for name, make in GENERATORS.items():
        files.append(File.generated(config, name, content=make()))
    return files


def _copy(path: PurePosixPath, config: MkDocsConfig) -> File:
    """A page, or a picture, of a file of the repository."""
    place, source = page_of(path), REPOSITORY / path
    if path.suffix in (".png", ".svg"):
        return File.generated(config, place, abs_src_path=str(source))
    text = source.read_text()
    if path.suffix != ".md":
        text = f"# {path}\n\n````{path.suffix.removeprefix('.') or 'text'}\n{text}````\n"
    return File.generated(config, place, content=text)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links to the site's pages."""

    def missing(target: str) -> None:
        LOG.warning("%s links to %s, which is not in the repository", page.file.src_uri, target)

    return rewritten(markdown, page.file.src_uri, missing)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put diagrams into the page itself, so that they follow its colours; tell of Markdown that stayed as it was."""
    for what, pattern in RAW:
        for found in pattern.finditer(html):
            LOG.warning("%s has %s: %r", page.file.src_uri, what, found.group()[:120])
    return DIAGRAM.sub(lambda image: _inlined(image.group(2), image.group(1)), html)


def _inlined(name: str, title: str) -> str:
    svg = (REPOSITORY / "docs" / "images" / "diagrams" / name).read_text()
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
    return f'<span class="drawing">{named}</span>'
