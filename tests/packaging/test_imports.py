"""What the code imports is declared in pyproject.toml, not only brought along by something else that is."""

import ast
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.test_pins import PROJECT, REPOSITORY

INSTALLED = packages_distributions()
OWN = {"ncf", "flows", "tuning", "benchmarks", "docs", "tests"}
ELSEWHERE = {
    "recbole",  # benchmarks/peers makes an environment of its own
    "screenshots",  # docs/screenshots.py, beside the script that imports it
}
RUNTIME = ("als", "dashboard", "postgresql", "spark")
CODE = {  # which extras a folder may use, beside the runtime's dependencies
    "ncf": RUNTIME,
    "flows": RUNTIME,
    "tuning": RUNTIME,
    "benchmarks": (*RUNTIME, "dev"),
    "docs": ("docs",),
    "tests": (*RUNTIME, "dev", "deploy"),
}


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """Each module of others that a folder's files import, and the file."""
    for file in sorted((REPOSITORY / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                if top not in OWN | ELSEWHERE and top not in sys.stdlib_module_names:
                    yield top, file.relative_to(REPOSITORY).as_posix()


def distributions_of(module: str) -> set[str]:
    """The packages that bring a module; of what is not installed, the one with its name."""
    return {canonicalize_name(name) for name in INSTALLED.get(module, [module])}


def declared(extras: Collection[str]) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for name in extras for line in PROJECT["optional-dependencies"][name])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize(("folder", "extras"), CODE.items(), ids=list(CODE))
def test_every_import_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    found, allowed = dict(imported(folder)), declared(extras)
    assert found, "no file was read"
    assert {module: file for module, file in found.items() if not distributions_of(module) & allowed} == {}


def test_every_dependency_is_imported() -> None:
    modules = {module for folder in ("ncf", "flows", "tuning") for module, _file in imported(folder)}
    assert declared([]) - {name for module in modules for name in distributions_of(module)} == set()


def test_no_extra_names_a_package_twice() -> None:
    for lines in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        names = [canonicalize_name(Requirement(line).name) for line in lines]
        assert len(names) == len(set(names))
