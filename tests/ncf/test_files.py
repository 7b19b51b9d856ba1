from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ncf.files import new_file, new_folder, read_json, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_folder_appears_under_its_name_with_its_content(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep" / "er") as new:
        assert not (tmp_path / "deep" / "er").exists()
        (new / "a").write_text("1")
    assert names(tmp_path / "deep") == ["er"]
    assert (tmp_path / "deep" / "er" / "a").read_text() == "1"


def test_new_folder_replaces_the_old_one_wholly(tmp_path: Path) -> None:
    for file in ("old", "new"):
        with new_folder(tmp_path / "data") as new:
            (new / file).write_text(file)
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["new"]


def test_error_inside_leaves_the_old_folder_whole_and_nothing_else(tmp_path: Path) -> None:
    with new_folder(tmp_path / "data") as new:
        (new / "a").write_text("old")
    with pytest.raises(RuntimeError, match="half way"), new_folder(tmp_path / "data") as new:
        (new / "a").write_text("new")
        raise RuntimeError("half way")
    assert names(tmp_path) == ["data"]
    assert (tmp_path / "data" / "a").read_text() == "old"


def test_error_inside_leaves_no_folder_where_none_was(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half way"), new_folder(tmp_path / "data") as new:
        (new / "a").write_text("new")
        raise RuntimeError("half way")
    assert names(tmp_path) == []


def test_new_folder_can_be_read_by_other_accounts(tmp_path: Path) -> None:
    with new_folder(tmp_path / "data"):
        pass
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o755


def test_new_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "list.csv"
    for text in ("old", "new"):
        with new_file(target) as building:
            building.write_text(text)
    assert target.read_text() == "new"
    assert names(target.parent) == ["list.csv"]


def test_error_inside_leaves_the_old_file_whole_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "list.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), new_file(target) as building:
        building.write_text("new")
        raise RuntimeError("half way")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["list.csv"]


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None], "a": {"title": "Amélie 東京"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value


def test_json_is_readable_sorted_and_ends_with_a_line_end(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": 1, "a": "é"})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def at_once(work: Callable[[int], None], times: int = 200) -> None:
    """Do the work in eight threads; raises what any of them raises."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(times)))


def test_one_file_written_by_many_at_once_is_that_of_one_of_them(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with new_file(tmp_path / "a.json") as building:
            building.write_text(str(number) * 1000)

    at_once(write)
    assert names(tmp_path) == ["a.json"]
    text = (tmp_path / "a.json").read_text()
    assert text == text[: len(text) // 1000] * 1000


def test_one_folder_made_by_many_at_once_is_that_of_one_of_them(tmp_path: Path) -> None:
    def make(number: int) -> None:
        with new_folder(tmp_path / "data") as building:
            (building / "a").write_text(str(number))
            (building / "b").write_text(str(number))

    at_once(make)
    assert names(tmp_path) == ["data"]
    assert (tmp_path / "data" / "a").read_text() == (tmp_path / "data" / "b").read_text()
