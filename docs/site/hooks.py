"""MkDocs hooks: add generated pages and pages outside docs/, rewrite links, inline diagrams, check the HTML."""

import logging
import re
from pathlib import PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.site import flows_page, settings_page
from docs.site.links import PAGES, REPOSITORY, linked_files, page_of, rewrite_links

LOG = logging.getLogger("mkdocs.plugins.ncf")  # a warning of a logger below "mkdocs" fails a strict build
GENERATORS = {"reference/settings.md": settings_page.page, "reference/flows.md": flows_page.page}
WRITTEN = ("reliability.md",)  # by `make reliability`
DIAGRAM = re.compile(r'<img alt="([^"]*)" src="(?:\.\./)*images/diagrams/([a-z-]+\.svg)" ?/?>')
RAW = (
    ("a fence that was not rendered; indent the content of a list item by four spaces", re.compile(r"<p>[^<]*```")),
    ("a list without an empty line before it", re.compile(r"<p>[^<]*\n(?:[-*]|\d+\.) ")),
    ("a table that was not rendered", re.compile(r"<p>[^<]*\| ---|<p>\| ")),
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Remove pages from the navigation that a script has not written yet."""
    for section in config.nav or []:
        for title, entries in section.items():
            if isinstance(entries, list):
                section[title] = [entry for entry in entries if not _is_missing(entry)]
    return config


def _is_missing(entry: dict[str, str]) -> bool:
    page = next(iter(entry.values()))
    return page in WRITTEN and not (REPOSITORY / "docs" / page).exists()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of docs/."""
    written = [PurePosixPath("docs", file.src_uri) for file in files.documentation_pages()]
    sources = [*(PurePosixPath(path) for path in PAGES), *written]
    for path in [*(PurePosixPath(path) for path in PAGES), *linked_files(sources)]:
        files.append(_copy(path, config))
    for name, make in GENERATORS.items():
        files.append(File.generated(config, name, content=make()))
    return files


def _copy(path: PurePosixPath, config: MkDocsConfig) -> File:
    """Return a page or a picture made from a file of the repository."""
    uri, source = page_of(path), REPOSITORY / path
    if path.suffix in (".png", ".svg"):
        return File.generated(config, uri, abs_src_path=str(source))
    text = source.read_text()
    if path.suffix != ".md":
        text = f"# {path}\n\n````{path.suffix.removeprefix('.') or 'text'}\n{text}````\n"
    return File.generated(config, uri, content=text)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links so that they lead to pages of the site."""

    def missing(target: str) -> None:
        LOG.warning("%s links to %s, which is not in the repository", page.file.src_uri, target)

    return rewrite_links(markdown, page.file.src_uri, missing)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Inline the diagrams, so that they follow the page's colors, and warn of Markdown that was not rendered."""
    for what, pattern in RAW:
        for found in pattern.finditer(html):
            LOG.warning("%s has %s: %r", page.file.src_uri, what, found.group()[:120])
    return DIAGRAM.sub(lambda image: _inlined(image.group(2), image.group(1)), html)


def _inlined(name: str, title: str) -> str:
    svg = (REPOSITORY / "docs" / "images" / "diagrams" / name).read_text()
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
    return f'<span class="drawing">{named}</span>'
