"""The packages stay readable: bounds on what `make house` prints."""

import statistics

import pytest

from docs.site.house import House, percentile

SMALL_FILES = {  # with a single importer, and what each hides from it
    "flows/tune/flow.py": "Prefect, which imports it by its path in prefect.yaml",
}


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def test_files_are_few_and_neither_splinters_nor_crowds(house: House) -> None:
    assert len(house.lines) <= 220
    assert 90 <= statistics.median(house.lines.values()) <= 150
    assert {path: lines for path, lines in house.lines.items() if lines > 320} == {}


def test_a_small_file_with_one_importer_hides_something(house: House) -> None:
    assert {path: importer for path, importer in house.splinters.items() if path not in SMALL_FILES} == {}
    assert SMALL_FILES.keys() <= house.lines.keys(), "these files are gone"


def test_functions_are_short(house: House) -> None:
    assert statistics.median(house.functions.values()) <= 10
    assert percentile(house.functions.values(), 0.9) <= 30


def test_no_files_and_no_rooms_import_each_other(house: House) -> None:
    assert house.circles == []
    assert house.room_circles == []
