from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from ncf.data.history import DayCounts, History
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.data.splits import leave_one_out
from ncf.data.storage import load_prepared, save_prepared
from ncf.errors import DataError
from ncf.files import read_json, write_json
from ncf.prepare import prepare_split
from tests.ncf.toy_data import literal_data, pair_rows, pairs

FILES = [
    "data.json",
    "items.parquet",
    "left_out.parquet",
    "other.parquet",
    "test.parquet",
    "train.parquet",
    "users.parquet",
    "validation.parquet",
]
EMPTY = ["left_out.parquet", "other.parquet"]
TABLES = [name for name in FILES if name.endswith(".parquet") and name not in EMPTY]


@pytest.fixture
def saved(tmp_path: Path, literal: PreparedData) -> Path:
    save_prepared(literal, tmp_path / "data")
    return tmp_path / "data"


def assert_same(found: PreparedData, expected: PreparedData) -> None:
    assert found.name == expected.name
    assert found.fingerprint == expected.fingerprint
    assert found.user_ids.tolist() == expected.user_ids.tolist()
    assert found.item_ids.tolist() == expected.item_ids.tolist()
    assert found.user_ids.dtype == expected.user_ids.dtype
    assert {type(value) for value in found.user_ids.tolist()} == {type(value) for value in expected.user_ids.tolist()}
    assert pair_rows(found.other) == pair_rows(expected.other)
    assert found.titles.tolist() == expected.titles.tolist()
    assert pair_rows(found.train) == pair_rows(expected.train)
    for ours, theirs in ((found.validation, expected.validation), (found.test, expected.test)):
        assert pair_rows(ours.pairs) == pair_rows(theirs.pairs)
        assert np.array_equal(ours.candidates, theirs.candidates)
        assert ours.candidates.dtype == np.int64


def test_integer_ids_come_back_as_they_were(saved: Path, literal: PreparedData) -> None:
    assert_same(load_prepared(saved), literal)


def test_when_the_pairs_came_comes_back_if_it_is_known(saved: Path, literal: PreparedData, tmp_path: Path) -> None:
    assert load_prepared(saved).history is None
    days = DayCounts(np.array([7, 9]), np.array([5, 3]), np.array([2, 1]))
    history = History(np.arange(6), np.arange(6)[::-1], days, 123)
    save_prepared(replace(literal, history=history), tmp_path / "dated")
    found = load_prepared(tmp_path / "dated")
    assert_same(found, literal)
    assert found.history is not None
    assert found.history.early.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.history.recent.tolist() == [5, 4, 3, 2, 1, 0]
    assert found.history.by_day.frame().equals(days.frame())
    assert found.history.last_time == 123


def test_text_ids_come_back_as_they_were(tmp_path: Path) -> None:
    data = literal_data(("ann", "bob", "zoë"), ("a", "b", "c", "d", "e", "007"))
    save_prepared(data, tmp_path / "data")
    assert_same(load_prepared(tmp_path / "data"), data)


def test_uuids_come_back_as_they_were(tmp_path: Path) -> None:
    data = literal_data([UUID(int=n) for n in (7, 2**64, 2**127)], [UUID(int=n) for n in range(6)])
    save_prepared(data, tmp_path / "data")
    assert_same(load_prepared(tmp_path / "data"), data)
    assert isinstance(load_prepared(tmp_path / "data").user_ids[0], UUID)


def test_users_and_items_may_have_ids_of_different_kinds(tmp_path: Path) -> None:
    data = literal_data([UUID(int=n) for n in (1, 2, 3)], ("1", "2", "3", "4", "5", "007"))
    save_prepared(data, tmp_path / "data")
    assert_same(load_prepared(tmp_path / "data"), data)
    about = read_json(tmp_path / "data" / "data.json")
    assert (about["user_id"], about["item_id"]) == ("uuid", "str")


def test_pairs_in_no_split_come_back_and_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    data = replace(literal_data(), other=pairs([(0, 4), (2, 5)]))
    save_prepared(data, tmp_path / "data")
    assert_same(load_prepared(tmp_path / "data"), data)
    tamper(tmp_path / "data" / "other.parquet")
    with pytest.raises(DataError, match="was changed after it was written"):
        load_prepared(tmp_path / "data")


def test_labels_come_back_and_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    labels = np.array([0.2, 1.0, 0.4, 0.6, 0.8, 1.0], dtype=np.float32)
    data = replace(literal_data(), labels=labels)
    save_prepared(data, tmp_path / "data")
    found = load_prepared(tmp_path / "data").labels
    assert found is not None
    assert (found.dtype, found.tolist()) == (np.float32, labels.tolist())
    assert data.fingerprint != literal_data().fingerprint
    assert data.fingerprint != replace(data, labels=labels[::-1].copy()).fingerprint


@pytest.mark.parametrize("wrong", ["str", "uuid", "float", None])
def test_a_wrong_kind_of_ids_is_refused(saved: Path, wrong: str | None) -> None:
    write_json(saved / "data.json", read_json(saved / "data.json") | {"user_id": wrong})
    with pytest.raises(DataError, match="is not a readable prepared data set"):
        load_prepared(saved)


@pytest.mark.parametrize("kind", ["int64", "int32", "uint64", "object", "category", "str"])
def test_ids_of_any_column_type_come_back_from_a_log(tmp_path: Path, kind: str) -> None:
    log = pd.DataFrame({"user_id": [1, 1, 1, 2], "item_id": [5, 6, 7, 5], "rating": 1, "timestamp": [1, 2, 3, 4]})
    log = log.astype({"user_id": kind, "item_id": kind})
    data = prepare_split("log", leave_one_out(to_interactions(Ratings.from_frame(log))), num_candidates=2)
    save_prepared(data, tmp_path / "data")
    assert load_prepared(tmp_path / "data").fingerprint == data.fingerprint


def test_the_folder_holds_tables_and_one_readable_description(saved: Path, literal: PreparedData) -> None:
    assert sorted(path.name for path in saved.iterdir()) == FILES
    about = read_json(saved / "data.json")
    assert about["fingerprint"] == literal.fingerprint
    assert (about["num_users"], about["num_items"], about["num_train"], about["num_test"]) == (3, 6, 6, 2)


def test_saving_over_an_older_one_replaces_it(saved: Path) -> None:
    newer = replace(literal_data(), name="newer", user_ids=np.array([1, 2, 3]))
    (saved / "stray").write_text("from before")
    save_prepared(newer, saved)
    assert_same(load_prepared(saved), newer)
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert [path.name for path in saved.parent.iterdir()] == ["data"]


def test_a_save_that_fails_leaves_the_older_one_whole(saved: Path, literal: PreparedData) -> None:
    unwritable = replace(literal_data(), titles=np.array(["Alien", 1, object(), "", "", ""], dtype=object))
    with pytest.raises(Exception, match=r"(?i)object"):
        save_prepared(unwritable, saved)
    assert_same(load_prepared(saved), literal)
    assert [path.name for path in saved.parent.iterdir()] == ["data"]


def tamper(path: Path) -> None:
    """Raise the first row's item, or id, by one."""
    frame = pd.read_parquet(path)
    column = "item" if "item" in frame else frame.columns[0]
    frame[column] += (np.arange(len(frame)) == 0).astype(np.int64)
    frame.to_parquet(path)


@pytest.mark.parametrize("name", TABLES)
def test_a_changed_table_is_refused(saved: Path, name: str) -> None:
    tamper(saved / name)
    with pytest.raises(DataError, match=r"was changed after it was written.*what to do: remove .*data and prepare"):
        load_prepared(saved)


def test_one_changed_candidate_is_refused(saved: Path) -> None:
    frame = pd.read_parquet(saved / "test.parquet")
    frame["candidates"] = [[5, 4], [5, 3]]
    frame.to_parquet(saved / "test.parquet")
    with pytest.raises(DataError, match="was changed"):
        load_prepared(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"is not a readable prepared data set.*what to do: remove"):
        load_prepared(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(DataError, match="is not a readable prepared data set"):
        load_prepared(saved)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path / 'nowhere'} is not a readable prepared data set"):
        load_prepared(tmp_path / "nowhere")


def test_another_format_is_refused_with_its_number(saved: Path) -> None:
    write_json(saved / "data.json", read_json(saved / "data.json") | {"format": 99})
    with pytest.raises(DataError, match="has another format: 99; allowed: 4;"):
        load_prepared(saved)


@pytest.mark.parametrize("key", ["format", "name", "fingerprint", "user_id", "item_id"])
def test_a_description_without_a_key_is_refused(saved: Path, key: str) -> None:
    about = read_json(saved / "data.json")
    del about[key]
    write_json(saved / "data.json", about)
    with pytest.raises(DataError, match=key):
        load_prepared(saved)


def test_a_description_that_is_no_object_is_refused(saved: Path) -> None:
    write_json(saved / "data.json", ["format", 1])
    with pytest.raises(DataError, match="is not a readable prepared data set"):
        load_prepared(saved)
