"""Files: what is in them, and that they are whole."""

import gzip
import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import parquet

from ncf.config import ModelConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, DataError
from ncf.serving.batch.files import FileTarget
from ncf.serving.batch.lists import Lists, compute_blocks
from ncf.serving.batch.write import target_of, write_lists
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Recommender
from tests.ncf.serving.batch.outputs import NAMES, expected_rows, output_of, write
from tests.ncf.serving.bundles import (
    CONFIGS,
    bundle_of,
    every_kind_of_ids,
    every_model,
    some_data,
    with_text_ids,
    with_uuids,
)
from tests.ncf.toy_data import pairs, seen_by_user

TITLED = ["user_id", "rank", "item_id", "title", "score", "source", "model_version"]


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    table = parquet.read_table(path)
    return list(zip(*(table.column(name).to_pylist() for name in NAMES), strict=True))


@every_kind_of_ids
@every_model
def test_parquet_has_what_a_recommender_gives_bit_for_bit(
    data: PreparedData, config: ModelConfig, tmp_path: Path
) -> None:
    bundle = bundle_of(data, config)
    done = write(bundle, tmp_path, output_of(path=str(tmp_path / "lists.parquet")))
    rows = rows_of(tmp_path / "lists.parquet")
    assert rows == expected_rows(bundle)
    assert done == {"users": 25, "unknown": 0, "folded_in": 0, "rows": len(rows)}
    assert list(tmp_path.glob(".*")) == []
    assert {path.suffix for path in (tmp_path / "parts").iterdir()} == {".lock"}


def test_the_types_in_parquet(tmp_path: Path) -> None:
    write(bundle_of(with_uuids(some_data())), tmp_path, output_of(path=str(tmp_path / "lists.parquet")))
    schema = parquet.read_schema(tmp_path / "lists.parquet")
    assert [field.type for field in schema] == [
        *(pa.uuid(), pa.uuid(), pa.int64(), pa.float32(), pa.string(), pa.int64())
    ]


@every_kind_of_ids
@pytest.mark.parametrize("name", ["lists.csv", "lists.csv.gz"])
def test_csv_has_titles_and_scores_that_come_back_bit_for_bit(data: PreparedData, name: str, tmp_path: Path) -> None:
    bundle = bundle_of(data)
    write(bundle, tmp_path, output_of(path=str(tmp_path / name)))
    frame = pd.read_csv(tmp_path / name, dtype={"score": np.float32, "title": str}, keep_default_na=False)
    assert list(frame) == TITLED
    titles = dict(zip([str(item) for item in bundle.item_ids], bundle.titles, strict=True))
    assert frame["title"].tolist() == [titles[str(item)] for item in frame["item_id"]]
    found = [(str(row[0]), str(row[1]), *row[2:]) for row in frame[NAMES].itertuples(index=False, name=None)]
    assert found == [(str(row[0]), str(row[1]), *row[2:]) for row in expected_rows(bundle)]
    assert (tmp_path / name).read_bytes()[:2] == (b"\x1f\x8b" if name.endswith(".gz") else b'"u')


@pytest.mark.parametrize("name", ["lists.parquet", "lists.csv", "lists.csv.gz"])
def test_the_same_lists_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    contents = set()
    for place in ("one", "two"):
        write(bundle_of(some_data()), tmp_path, output_of(path=str(tmp_path / place / name)))
        contents.add((tmp_path / place / name).read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("block_rows", [1, 4, 12, 99, 100, 10_000])
def test_the_rows_do_not_depend_on_the_size_of_the_blocks(block_rows: int, tmp_path: Path) -> None:
    bundle = bundle_of(some_data(), CONFIGS[2])
    write(bundle, tmp_path, output_of(path=str(tmp_path / "lists.parquet")), block_rows=block_rows)
    assert rows_of(tmp_path / "lists.parquet") == expected_rows(bundle)


def test_users_in_the_order_given_and_unknown_ones_marked(tmp_path: Path) -> None:
    bundle, users = bundle_of(some_data()), np.array([243, -7, 3, 8])
    done = write(bundle, tmp_path, output_of(path=str(tmp_path / "lists.parquet")), users)
    rows = rows_of(tmp_path / "lists.parquet")
    assert rows == expected_rows(bundle, users)
    assert [row[4] for row in rows if row[2] == 1] == ["model", "popularity", "model", "popularity"]
    assert done["unknown"] == 2


def test_unknown_uuids_and_texts(tmp_path: Path) -> None:
    users = np.array([UUID(int=1 << 90), UUID(int=3 << 64)], dtype=object)
    write(bundle_of(with_uuids(some_data())), tmp_path, output_of(path=str(tmp_path / "lists.parquet")), users)
    found = [(row[0], row[4]) for row in rows_of(tmp_path / "lists.parquet") if row[2] == 1]
    assert found == [(users[0], "popularity"), (users[1], "model")]


def test_more_items_than_there_are_means_all(tmp_path: Path) -> None:
    bundle = bundle_of(some_data())
    write(bundle, tmp_path, output_of(path=str(tmp_path / "lists.parquet")), k=1_000)
    assert rows_of(tmp_path / "lists.parquet") == expected_rows(bundle, k=18)


def test_no_users_are_refused() -> None:
    with pytest.raises(DataError, match="there are no users to recommend to"):
        Lists.of(Recommender(bundle_of(some_data())), np.array([], dtype=np.int64), 3)


def test_an_error_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundle_of(some_data())
    output = output_of(path=str(tmp_path / "lists.parquet"))
    write(bundle, tmp_path, output)
    before = (tmp_path / "lists.parquet").read_bytes()
    damaged = bundle_of(some_data(), seed=1)
    damaged.model.get_parameter("user_embedding.weight").data[20] = float("nan")
    with pytest.raises(Exception, match="not numbers"):
        write(damaged, tmp_path, output)
    assert (tmp_path / "lists.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lists.parquet", "parts"]


def test_blocks_that_are_done_are_not_worked_out_again_unless_damaged(tmp_path: Path) -> None:
    bundle = bundle_of(some_data())
    lists = Lists.of(Recommender(bundle), bundle.user_ids, 4, 8)
    target = target_of(output_of(path=str(tmp_path / "a.parquet")))
    folder = tmp_path / "parts" / lists.key()
    compute_blocks(lists, folder, set(), lambda users: None)
    parts = sorted(folder.iterdir())
    assert len(parts) == 13
    parts[2].write_bytes(parts[2].read_bytes()[:-9])
    content = bytearray(parts[5].read_bytes())
    content[20] ^= 1  # in the data of a page
    parts[5].write_bytes(content)
    parts[7].unlink()
    told: list[int] = []

    class Progress:
        def __enter__(self) -> Any:
            return told.append

        def __exit__(self, *_: object) -> None:
            return None

    def progress(total: int, before: int) -> Any:
        assert (total, before) == (25, 19)
        return Progress()

    write_lists(lists, 3, target, tmp_path / "parts", progress)
    assert told == [2, 2, 2]
    assert rows_of(tmp_path / "a.parquet") == expected_rows(bundle)


def test_everything_that_matters_changes_the_key() -> None:
    bundle = bundle_of(some_data())

    def key(seed: int = 0, k: int = 3, rows: int = 9, users: slice = slice(None), data: Any = None) -> str:
        other = bundle_of(data or some_data(), seed=seed)
        return Lists.of(Recommender(other), other.user_ids[users], k, rows).key()

    keys = [key(), key(seed=1), key(k=4), key(rows=10), key(users=slice(1, None)), key(data=with_text_ids(some_data()))]
    assert len(set(keys)) == len(keys)
    assert key() == key() == Lists.of(Recommender(bundle, memory_mb=1), bundle.user_ids, 3, 9).key()


def log_with(**changes: Any) -> ServingLog:
    return ServingLog.of(replace(some_data(), **changes))


NEW = min(set(range(18)) - seen_by_user(some_data())[0])
MORE = pd.DataFrame({"user_id": [3], "item_id": [some_data().item_ids[NEW]], "liked": [True]})
LOGS = {
    "left out, liked": log_with(left_out=MORE),
    "left out": log_with(left_out=MORE.assign(liked=False)),
    "other": log_with(other=pairs([(0, NEW)])),
    "users": log_with(user_ids=some_data().user_ids + np.eye(1, 25, dtype=np.int64)[0]),
    "items": log_with(item_ids=some_data().item_ids + np.eye(1, 18, dtype=np.int64)[0]),
}


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_of_the_blocks_of_an_older_log_none_is_used(log: ServingLog, tmp_path: Path) -> None:
    """As after a kill, when the log that serves is another by the time the command is given again."""
    bundle = bundle_of(some_data())
    old, new = (Lists.of(Recommender(bundle, its), bundle.user_ids, 4, 8) for its in (None, log))
    folder = tmp_path / "parts" / old.key()
    compute_blocks(old, folder, set(), lambda users: None)
    for path in folder.iterdir():
        table = parquet.read_table(path)
        wrong = table.set_column(1, "item", pa.array([17] * len(table), pa.int32()))  # nobody's list is this one
        parquet.write_table(wrong, path, write_page_checksum=True)
    told = []

    def progress(total: int, before: int) -> Any:
        told.append((total, before))
        return nullcontext(lambda users: None)

    write_lists(new, 3, target_of(output_of(path=str(tmp_path / "new.parquet"))), tmp_path / "parts", progress)
    assert told == [(25, 0)]
    assert rows_of(tmp_path / "new.parquet") == expected_rows(bundle, log=log)
    write_lists(old, 3, target_of(output_of(path=str(tmp_path / "old.parquet"))), tmp_path / "parts", progress)
    assert told[1] == (25, 25), "for the old log they would have been used"


def test_titles_of_an_equal_log_change_no_block_but_the_file(tmp_path: Path) -> None:
    bundle, titled = bundle_of(some_data()), log_with(titles=np.full(18, "new", dtype=object))
    keys = {Lists.of(Recommender(bundle, log), bundle.user_ids, 4, 8).key() for log in (None, log_with(), titled)}
    assert len(keys) == 1, "titles are put in when the file is written"
    write(bundle, tmp_path, output_of(path=str(tmp_path / "lists.csv")), log=titled)
    assert set(pd.read_csv(tmp_path / "lists.csv")["title"]) == {"new"}


def test_folding_in_again_is_another_key() -> None:
    bundle = bundle_of(some_data())
    keys = {
        Lists.of(Recommender(bundle, LOGS["left out, liked"], refold=refold), bundle.user_ids, 4, 8).key()
        for refold in (False, True)
    }
    assert len(keys) == 2


@pytest.mark.parametrize("block_rows", [1, 4, 12, 10_000])
def test_users_who_are_folded_in_are_marked_and_counted_in_blocks_of_any_size(block_rows: int, tmp_path: Path) -> None:
    bundle, log = bundle_of(some_data()), LOGS["users"]
    users = np.array([13, 4, -7, 23, 3, 33])  # 3 has left, 4 is new
    output = output_of(path=str(tmp_path / "lists.parquet"))
    done = write(bundle, tmp_path, output, users, block_rows, log=log)
    rows = rows_of(tmp_path / "lists.parquet")
    assert rows == expected_rows(bundle, users, log=log)
    assert [row[4] for row in rows if row[2] == 1] == ["model", "items", "popularity", "model", "popularity", "model"]
    assert done == {"users": 6, "unknown": 2, "folded_in": 1, "rows": len(rows)}


@pytest.mark.parametrize("name", ["lists.parquet", "lists.csv.gz"])
def test_a_remote_file_is_moved_into_its_place(name: str, tmp_path: Path) -> None:
    bundle = bundle_of(some_data())
    write(bundle, tmp_path, output_of(path=f"memory://bucket/{name}"))
    write(bundle, tmp_path, output_of(path=str(tmp_path / name)))
    system = fsspec.filesystem("memory")
    content = system.cat(f"/bucket/{name}")
    assert content == (tmp_path / name).read_bytes()
    assert [Path(path).name for path in system.find("/bucket")] == [name]
    system.rm("/bucket", recursive=True)
    if name.endswith(".gz"):
        assert gzip.decompress(content).startswith(b'"user_id"')


class DrawerFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """Of a kind that nothing is known of; moving fails if it is full."""

    protocol = "drawer"
    store: dict[str, Any] = {}  # noqa: RUF012 (as its parent's)
    full = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("drawer://", "memory://")))

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        if self.full:
            raise OSError("the drawer is full")
        super().mv(path1, path2, **kwargs)


def test_where_moving_may_not_be_atomic_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fsspec.register_implementation("drawer", DrawerFileSystem, clobber=True)
    bundle = bundle_of(some_data())
    with caplog.at_level(logging.WARNING):
        write(bundle, tmp_path, output_of(path="drawer://desk/lists.csv"))
    assert "/desk/lists.csv: for a moment readers may find no file" in caplog.text
    caplog.clear()
    write(bundle, tmp_path, output_of(path="memory://desk/lists.csv"))
    assert not caplog.text


def test_a_remote_file_system_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("drawer", DrawerFileSystem, clobber=True)
    bundle, output = bundle_of(some_data()), output_of(path="drawer://table/lists.csv")
    write(bundle, tmp_path, output)
    system = fsspec.filesystem("drawer")
    before = system.cat("/table/lists.csv")
    monkeypatch.setattr(DrawerFileSystem, "full", True)
    with pytest.raises(DataError, match="could not be written: 'the drawer is full'; what to do: repair the output"):
        write(bundle_of(some_data(), seed=1), tmp_path, output)
    assert system.cat("/table/lists.csv") == before
    assert [Path(path).name for path in system.find("/table")] == ["lists.csv"]


def test_a_folder_in_the_way_and_an_unwritable_path_are_refused_before_any_work(tmp_path: Path) -> None:
    bundle = bundle_of(some_data())
    (tmp_path / "lists.csv").mkdir()
    with pytest.raises(ConfigError, match=r"the output is a folder, not a file: '.*lists.csv'"):
        write(bundle, tmp_path, output_of(path=str(tmp_path / "lists.csv")))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/lists.csv can't be written"):
        write(bundle, tmp_path, output_of(path=str(tmp_path / "file" / "lists.csv")))
    assert not list((tmp_path / "parts").glob("*/"))


def test_two_machines_that_try_the_same_file_at_once_do_not_remove_each_others_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = target_of(output_of(path=str(tmp_path / "out" / "lists.csv")))
    assert isinstance(target, FileTarget)
    lists, remove = Lists.of(Recommender(bundle_of(some_data())), np.array([3]), 2), type(target.file.system).rm
    others = [True]

    def another_comes_first(system: Any, path: str) -> None:
        if others:
            others.pop()
            target.check(lists)
        remove(system, path)

    monkeypatch.setattr(type(target.file.system), "rm", another_comes_first)
    target.check(lists)
    assert not others and list((tmp_path / "out").iterdir()) == []
