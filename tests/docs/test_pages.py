"""The pages themselves: links, Python that can be read and whose imports exist, figures as the benchmarks have them."""

import ast
import importlib.util
import re
from pathlib import Path, PurePosixPath

import pytest
import yaml

from docs.site import blocks, figures
from docs.site.diagrams import DIAGRAMS, FOLDER
from docs.site.links import page_of, resolve, rewrite_links, source_of, targets
from tests.docs.pages import PAGES, REPOSITORY, SHELL, fences, name

OURS = ("ncf", "tuning", "flows", "benchmarks", "docs")
PRIVATE = {"NCF_UP_FOLDER", "NCF_UP_PROGRAM"}  # from make up to its own processes
GENERATED = {"docs/reference/settings.md", "docs/reference/flows.md"}


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "CHANGELOG.md"], ids=name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    found = {str(resolve(PurePosixPath(name(page)), target)[0]) for target in targets(page.read_text())}
    assert [path for path in found - GENERATED if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_is_python_and_its_imports_exist(page: Path) -> None:
    for code in fences(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                assert all(importlib.util.find_spec(module.name) for module in node.names)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, each.name) for each in node.names), ast.unparse(node)
            elif isinstance(node, ast.ImportFrom):  # importing all of others takes long
                assert importlib.util.find_spec(node.module or "") is not None, ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_yaml_is_yaml(page: Path) -> None:
    assert all(yaml.safe_load(code) is not None for code in fences(page, "yaml"))


def test_every_variable_is_explained() -> None:
    places = [REPOSITORY / name for name in ("ncf", "flows", "tuning", "deploy", "compose.yaml", "prefect.yaml")]
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*.*"))]
    texts = [file.read_text() for file in files if file.suffix in (".py", ".yaml", ".json", ".service")]
    used = {variable for text in texts for variable in re.findall(r"\bNCF_[A-Z_]*[A-Z]\b", text)}
    assert len(used) > 8
    explained = "".join(page.read_text() for page in PAGES)
    assert used - PRIVATE <= set(re.findall(r"NCF_[A-Z_]*[A-Z]", explained))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_those_of_the_environment(page: Path) -> None:
    bare = [line for code in fences(page, *SHELL) for line in code.splitlines() if re.match(r"(python|mlflow) ", line)]
    assert bare == [], "without .venv/bin/ it is another Python"


def test_figures_are_those_of_the_benchmarks() -> None:
    stale = [name(path) for path, text in figures.pages().items() if path.read_text() != text]
    assert stale == [], "after a benchmark: python -m docs.site.figures"


def test_a_block_is_replaced_and_the_rest_stays() -> None:
    page = "before\n\n<!-- result: one -->\n\nold\n\n<!-- /result -->\n\nafter\n"
    assert blocks.replace_block(page, "one", "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="0 blocks named 'two'"):
        blocks.replace_block(page, "two", "new")


def test_diagrams_are_as_the_script_draws_them() -> None:
    stale = [each for each, draw in DIAGRAMS.items() if (FOLDER / f"{each}.svg").read_text() != draw().svg()]
    assert stale == [], "python -m docs.site.diagrams"


def test_links_turn_to_the_pages_of_the_site() -> None:
    missing: list[str] = []
    page = (
        "[a](../benchmarks/results/speed.md#speed) `[b](no.md)` [c](../prefect.yaml) [d](#here) ![e](images/runs.png)"
    )
    assert rewrite_links(page, "tuning.md", missing.append) == (
        "[a](repository/benchmarks/results/speed.md#speed) `[b](no.md)` [c](repository/prefect.yaml.md) [d](#here) "
        "![e](images/runs.png)"
    )
    assert rewrite_links("[a](docs/data.md) [b](LICENSE)", "index.md", missing.append) == (
        "[a](data.md) [b](repository/LICENSE.md)"
    )
    assert missing == []
    assert rewrite_links("[a](gone.md)", "decisions/promotion.md", missing.append) == "[a](gone.md)"
    assert missing == ["gone.md"]


@pytest.mark.parametrize(
    "path", ["README.md", "LICENSE", "docs/data.md", "benchmarks/results/tuning.png", "prefect.yaml"]
)
def test_a_page_knows_the_file_it_was_made_from(path: str) -> None:
    assert source_of(page_of(PurePosixPath(path))) == PurePosixPath(path)
