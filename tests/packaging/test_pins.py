"""Versions: what pyproject.toml promises is what was tested, and every upper bound has a reason that still stands."""

import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
USERS = ("als", "dashboard", "postgresql", "spark")  # extras that are no developer's


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    return [
        Requirement(text) for text in [*PROJECT["dependencies"], *(text for name in USERS for text in extras[name])]
    ]


def pins(file: str) -> dict[str, Version]:
    lines = [line for line in (REPOSITORY / file).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(number) for name, number in (line.split("==") for line in lines)}


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_the_lowest_version_that_is_promised_is_the_one_that_is_tested(requirement: Requirement) -> None:
    tested = pins("lowest.txt")[canonicalize_name(requirement.name)]
    lowest = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
    assert len(lowest) == 1, "it promises every version there ever was"
    assert tested in requirement.specifier
    parts = max(2, len(lowest[0].release))  # 3.8 may be 3.8.1, if 3.8.0 was withdrawn
    promised = (*lowest[0].release, 0)[:parts]
    assert (*tested.release, 0, 0)[:parts] == promised, f"write lowest.txt anew, or promise {tested}"


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_what_is_pinned_is_allowed(requirement: Requirement) -> None:
    assert pins("constraints.txt")[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_upper_bound_has_its_reason_beside_it() -> None:
    lines = (REPOSITORY / "pyproject.toml").read_text().splitlines()
    bounded = [str(requirement.name) for requirement in requirements() if "<" in str(requirement.specifier)]
    assert bounded
    for name in bounded:
        [line] = [line for line in lines if line.strip().startswith((f'"{name}<', f'"{name}>', f'"{name}['))]
        assert len(line.partition("#")[2]) > 10, f"why not a newer {name}?"


def test_prefect_still_calls_fastapi_as_new_ones_do_not_allow() -> None:
    """Fails when fastapi<0.151 has lost its reason: then allow newer ones, and run make test."""
    [folder] = find_spec("prefect").submodule_search_locations  # type: ignore[misc]
    limits = Path(folder) / "server" / "api" / "concurrency_limits_v2.py"
    assert "min_items=" in limits.read_text(), "Prefect no longer says min_items: try without fastapi<0.151"


def test_prefect_is_still_the_one_that_new_sqlalchemy_stops() -> None:
    """Fails when Prefect's minor version changes: then try sqlalchemy 2.1 with tests/e2e/test_servers.py.

    With it scheduled runs never appeared, and the server logged "Can't evaluate bulk DML statement".
    """
    assert version("prefect").startswith("3.8."), "another Prefect: try without sqlalchemy<2.1 (see this test)"
