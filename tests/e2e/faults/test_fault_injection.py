"""The moments at which the tests of faults strike are there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

CALL = re.compile(r'"(?:kill|hold) (?:before|after) ([\w.]+)"')
TARGETS = sorted({name for path in Path(__file__).parent.glob("*.py") for name in CALL.findall(path.read_text())})


@pytest.mark.parametrize("target", TARGETS)
def test_the_function_exists(target: str) -> None:
    module, _, name = target.rpartition(".")
    assert callable(getattr(import_module(module), name))


def test_there_are_such_moments() -> None:
    assert len(TARGETS) > 5
