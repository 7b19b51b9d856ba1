"""Folders, globs and URLs; and a split whose parts are files of their own."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

from ncf.data import TEST, TRAIN, VALIDATION
from tests.ncf.ingest.log_files import CSV, ROWS, ids, load, rows


@pytest.fixture
def memory() -> Iterator[Any]:
    """Fsspec's own store in memory, emptied again."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("place", ["folder", "glob", "file URL", "memory URL", "memory glob"])
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_many_files_are_read_in_the_order_of_their_names(tmp_path: Path, memory: Any, place: str, kind: str) -> None:
    head, *lines = CSV.splitlines()
    folder = tmp_path / "log"
    folder.mkdir()
    for name, line in zip(["c", "a", "b"], [lines[2], lines[0], lines[1]], strict=True):
        text = f"{head}\n{line}\n"
        file = folder / f"{name}.{kind}"
        if kind == "parquet":
            pd.read_csv(io.StringIO(text)).astype({"rating": float}).to_parquet(file)
        else:
            file.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())
    for other in ("_SUCCESS", ".hidden.csv", "README.md"):
        (folder / other).write_text("nothing\n")
    memory.put(str(folder), "/log", recursive=True)
    path = {
        "folder": f"{folder}",
        "glob": f"{folder}/?.{kind}",
        "file URL": f"file://{folder}",
        "memory URL": "memory://log",
        "memory glob": f"memory://log/?.{kind}",
    }[place]
    assert rows(load(path)) == ROWS


def test_one_file_at_a_url(memory: Any) -> None:
    memory.pipe("/log.tsv", CSV.replace(",", "\t").encode())
    assert rows(load("memory://log.tsv")) == ROWS


def test_a_file_with_marks_of_a_glob_in_its_name(tmp_path: Path) -> None:
    assert rows(load(tmp_path / "log[1].csv", CSV)) == ROWS


def test_text_ids_in_one_of_many_files_make_all_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\n7,1\n")
    (tmp_path / "b.csv").write_text("user_id,item_id\nx,2\n")
    assert ids(load(tmp_path)) == (["7", "x"], [1, 2])


def test_an_empty_part_of_many_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\n7,1\n")
    (tmp_path / "b.csv").write_text("user_id,item_id\n")
    assert ids(load(tmp_path)) == ([7], [1])


def test_folder_of_hive_partitions(tmp_path: Path) -> None:
    for day, user in (("2024-01-02", 9), ("2024-01-01", 7)):
        folder = tmp_path / "log" / f"day={day}"
        folder.mkdir(parents=True)
        pd.DataFrame({"user_id": [user], "item_id": [1]}).to_parquet(folder / "part-0.parquet")
    assert ids(load(tmp_path / "log")) == ([7, 9], [1, 1])


def test_a_split_made_elsewhere_is_kept(tmp_path: Path) -> None:
    (tmp_path / "valid.csv").write_text("user_id,item_id\nx,4\n")
    (tmp_path / "test.csv").write_text("item_id,user_id\n5,8\n6,9\n")
    ratings = load(
        tmp_path / "train.csv",
        "user_id,item_id\n7,1\n7,2\n",
        validation_path=str(tmp_path / "valid.csv"),
        test_path=str(tmp_path / "test.csv"),
    )
    assert ids(ratings) == (["7", "7", "x", "8", "9"], [1, 2, 4, 5, 6])
    assert ratings.splits is not None
    assert ratings.splits.dtype == np.int8
    assert ratings.splits.tolist() == [TRAIN, TRAIN, VALIDATION, TEST, TEST]


def test_a_test_split_alone(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CSV)
    ratings = load(tmp_path / "train.csv", CSV, test_path=str(tmp_path / "test.csv"))
    assert ratings.splits is not None
    assert ratings.splits.tolist() == [TRAIN] * 3 + [TEST] * 3
