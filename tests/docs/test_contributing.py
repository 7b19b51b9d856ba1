"""CONTRIBUTING.md names the rooms that exist, in the order of the import contracts, and files that exist."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY, fences, inline

PAGE = REPOSITORY / "CONTRIBUTING.md"


def levels(package: str) -> list[set[str]]:
    """The rooms of a package as the page draws them, from the top level down."""
    [drawing] = fences(PAGE, "text")
    [section] = [part for part in drawing.split("\n\n") if part.startswith(f"{package}/")]
    return [set(re.findall(r"(?m)^  (\w+)(?:/|\.py) ", level)) for level in section.split("↓")]


def layers(package: str) -> list[set[str]]:
    """The layers of a package's import contract, from the top down."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [found] = [
        each["layers"]
        for each in contracts
        if each["type"] == "layers" and (each.get("containers") == [package] or f"{package}." in each["layers"][0])
    ]
    return [{room.removeprefix(f"{package}.") for room in re.split(r" [|:] ", layer)} for layer in found]


@pytest.mark.parametrize("package", ["flows", "tuning", "ncf"])
def test_every_room_is_drawn_once(package: str) -> None:
    drawn = [room for level in levels(package) for room in level]
    folders = {path.parent.name for path in (REPOSITORY / package).glob("*/__init__.py")}
    modules = {path.stem for path in (REPOSITORY / package).glob("*.py")} - {"__init__"}
    assert sorted(drawn) == sorted(folders | modules)


@pytest.mark.parametrize("package", ["flows", "tuning", "ncf"])
def test_the_levels_are_the_layers_of_the_import_contract(package: str) -> None:
    assert levels(package) == layers(package)


def test_every_file_that_is_named_exists() -> None:
    named = {code for code in inline(PAGE) if re.fullmatch(r"[\w.-]+/[\w./-]+", code) and "NAME" not in code}
    assert len(named) > 30
    assert sorted(path for path in named if not Path(REPOSITORY, path).exists()) == []


def test_every_name_that_a_file_is_said_to_have_is_in_it() -> None:
    text = re.sub(r"\s+", " ", PAGE.read_text())
    said = re.findall(r"`(\w+)`(?: and `(\w+)`)? (?:in|of) `([\w/]+/\w+\.py)`", text)
    assert len(said) > 8
    missing = [
        f"{path}: {each}"
        for *names, path in said
        for each in names
        if each and not re.search(rf"\b{each}\b", (REPOSITORY / path).read_text())
    ]
    assert missing == []
