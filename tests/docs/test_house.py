"""What `make house` counts, on a house of a few files."""

from pathlib import Path

import pytest

from docs.site.house import House, percentile, report


@pytest.fixture
def house(tmp_path: Path) -> House:
    """`flows.train` and `flows.serve` import each other, late; `ncf.files` has one importer."""
    sources = {
        "ncf/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ncf.models.gmf import GMF\n",
        "ncf/files.py": "import os\n\n\ndef read():\n    return os.sep\n",
        "ncf/models/__init__.py": "",
        "ncf/models/gmf.py": "from ncf import files\n\n\nclass GMF:\n    def forward(self):\n        return files\n",
        "flows/__init__.py": "",
        "flows/train/__init__.py": "",
        "flows/train/flow.py": "import ncf.models.gmf\n\n\ndef train():\n    from flows.serve import serve\n",
        "flows/serve.py": "def serve():\n    import ncf.models.gmf\n    from flows.train.flow import train\n",
        "benchmarks/speed.py": "from flows.serve import serve\n",
    }
    for path, text in sources.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return House(tmp_path)


def test_files_and_functions_are_measured_longest_first(house: House) -> None:
    assert len(house.lines) == 8, "benchmarks import, and are not counted"
    assert list(house.lines.items())[:2] == [("ncf/models/gmf.py", 6), ("ncf/files.py", 5)]
    assert house.functions == {
        "flows/serve.py:1 serve": 3,
        "ncf/files.py:4 read": 2,
        "ncf/models/gmf.py:5 forward": 2,
        "flows/train/flow.py:4 train": 2,
    }


def test_imports_count_in_functions_and_not_for_type_checkers(house: House) -> None:
    assert house.imports(house.modules["ncf"]) == set()
    assert house.imports(house.modules["ncf.models.gmf"]) == {"ncf.files"}
    assert house.imports(house.modules["flows.train.flow"]) == {"ncf.models.gmf", "flows.serve"}


def test_a_small_file_with_one_importer_is_a_splinter(house: House) -> None:
    assert house.splinters == {"ncf/files.py": "ncf/models/gmf.py", "flows/train/flow.py": "flows/serve.py"}


def test_circles_of_files_and_of_rooms(house: House) -> None:
    assert house.circles == [["flows.serve", "flows.train.flow"]]
    assert house.room_circles == [["flows.serve", "flows.train"]]


def test_rooms_have_their_size_and_imports(house: House) -> None:
    found = {room.name: (room.files, room.lines, room.imports) for room in house.rooms}
    assert found["ncf.models"] == (2, 6, ("files",))
    assert found["flows.train"] == (2, 5, ("serve", "ncf"))
    assert list(found) == ["flows.serve", "flows.train", "ncf.files", "ncf.models"]


def test_the_report_shows_all_of_it(house: House) -> None:
    shown = report(house)
    assert "ncf, flows, tuning: 8 files, 22 lines" in shown
    assert "median 2, 90th percentile 3, longest 3 (flows/serve.py:1 serve); 4 functions" in shown
    assert "  flows.serve, flows.train.flow\n" in shown


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 5), (0.9, 9), (0.91, 10), (1.0, 10)])
def test_a_percentile_is_a_size_that_occurs(share: float, value: int) -> None:
    assert percentile(range(10, 0, -1), share) == value
