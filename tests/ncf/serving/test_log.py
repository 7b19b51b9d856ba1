"""What serving knows of users and items: its content, its fingerprint, and its files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.errors import ModelError
from ncf.files import read_json, write_json, write_sums
from ncf.prepare import prepare_ratings
from ncf.sampling.sampler import PairRows
from ncf.serving import log as module
from ncf.serving.log import ServingLog
from tests.ncf.serving.naive_lists import items_by_user
from tests.ncf.toy_data import literal_data, pairs

FILES = sorted(["SHA256SUMS", *module.FILES])


def left_out(rows: Sequence[tuple[Any, Any, bool]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "item_id", "liked"])


def data() -> PreparedData:
    """Users 10, 20 and 30 of items 0 to 5; some more of them, and of users 40 and 15 and item 9, were left out."""
    rows = [(30, 4, False), (10, 5, False), (15, 0, False), (40, 1, False), (40, 9, True), (10, 9, True)]
    return replace(literal_data(), other=pairs([(2, 1), (0, 4)]), left_out=left_out(rows))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    ServingLog.of(data()).save(tmp_path / "log")
    return tmp_path / "log"


def rows_of(log: ServingLog) -> list[list[int]]:
    return [log.items.of_users(torch.tensor([user]))[1].tolist() for user in range(len(log.user_ids))]


def test_users_and_items_of_the_data_come_first_then_those_of_left_out_pairs_alone() -> None:
    log = ServingLog.of(data())
    assert log.user_ids.tolist() == [10, 20, 30, 15, 40]
    assert log.item_ids.tolist() == [0, 1, 2, 3, 4, 5, 9]
    assert (log.num_users, log.num_items) == (3, 6)
    assert log.titles.tolist() == ["Alien", "Brazil", "Casablanca", "", "Élisa", "Fargo", ""]


def test_items_of_each_user_are_those_that_count_then_those_that_were_left_out() -> None:
    log = ServingLog.of(data())
    assert rows_of(log) == [
        [0, 1, 2, 3, 4, 6, 5],  # train, validation, test, other; of the left-out ones 9 is liked, and 5 is not
        [0, 2, 1, 4],
        [0, 3, 1, 4],
        [0],
        [6, 1],
    ]
    assert log.liked.tolist() == [6, 4, 3, 0, 1]
    assert log.items.items.dtype == torch.int32
    interactions = [log.interactions.of_users(torch.tensor([user]))[1].tolist() for user in range(3)]
    assert interactions == [[0, 1, 2, 3, 4], [0, 2, 1, 4], [0, 3, 1]], "of the data's own users and items"
    assert len(log.interactions.counts) == 3


def test_without_left_out_pairs_it_is_what_the_data_have() -> None:
    log = ServingLog.of(literal_data())
    assert rows_of(log) == [[0, 1, 2, 3], [0, 2, 1, 4], [0, 3]]
    assert log.liked.tolist() == [4, 4, 2]
    assert (log.user_ids.tolist(), log.num_users) == ([10, 20, 30], 3)


KINDS: dict[str, tuple[Any, Any, Any]] = {
    "integers": ((10, 20, 30), tuple(range(6)), (40, 9)),
    "texts": (("ann", "bob", "zoë"), ("a", "b", "c", "d", "e", "007"), ("dan", "é")),
    "UUIDs": (
        [UUID(int=n) for n in (7, 2**64, 2**127)],
        [UUID(int=n << 64) for n in range(6)],
        (UUID(int=8), UUID(int=9)),
    ),
    "mixed": ((1, 2, 3), ("a", "b", "c", "d", "e", "007"), (4, "é")),
}
every_kind = pytest.mark.parametrize(("users", "items", "new"), KINDS.values(), ids=KINDS)


@every_kind
@pytest.mark.parametrize("more", [True, False])
def test_it_comes_back_from_disk(users: Any, items: Any, new: tuple[Any, Any], more: bool, tmp_path: Path) -> None:
    rows = [(users[0], new[1], True), (new[0], items[2], False), (*new, True)] if more else []
    given = literal_data(users, items)
    log = ServingLog.of(replace(given, left_out=left_out(rows)) if rows else given)
    log.save(tmp_path / "log")
    found = ServingLog.load(tmp_path / "log")
    for ours, theirs in ((found.user_ids, log.user_ids), (found.item_ids, log.item_ids)):
        assert ours.tolist() == theirs.tolist()
        assert (ours.dtype, {type(value) for value in ours.tolist()}) == (theirs.dtype, {type(theirs.tolist()[0])})
    assert found.titles.tolist() == log.titles.tolist()
    assert items_by_user(found) == items_by_user(log)
    assert rows_of(found) == rows_of(log)
    assert found.liked.tolist() == log.liked.tolist()
    assert (found.num_users, found.num_items) == (3, 6)
    assert found.fingerprint == log.fingerprint
    assert len(found.user_ids) == 3 + more


def changed_items(log: ServingLog, place: int, value: int) -> ServingLog:
    items = log.items.items.clone()
    assert items[place] != value
    items[place] = value
    return replace(log, items=PairRows.of_counts(log.items.counts, items))


def titled(log: ServingLog, *titles: str) -> ServingLog:
    return replace(log, titles=np.array([*titles, *log.titles[len(titles) :]], dtype=object))


CHANGES: dict[str, Callable[[ServingLog], ServingLog]] = {
    "user id": lambda log: replace(log, user_ids=np.array([10, 20, 30, 15, 41])),
    "kind of user ids": lambda log: replace(log, user_ids=log.user_ids.astype(str).astype(object)),
    "item id": lambda log: replace(log, item_ids=np.array([0, 1, 2, 3, 4, 5, 8])),
    "title": lambda log: titled(log, "Aliens"),
    "title that is missing": lambda log: titled(log, ""),
    "title of another item": lambda log: titled(log, "", "AlienBrazil"),
    "where a title ends": lambda log: titled(log, "AlienB", "razil"),
    "item of a user": lambda log: changed_items(log, 17, 2),
    "user of an item": lambda log: replace(
        log, items=PairRows.of_counts(log.items.counts + torch.tensor([0, 0, 0, 1, -1]), log.items.items)
    ),
    "liked": lambda log: replace(log, liked=torch.tensor([6, 4, 3, 0, 0])),
    "number of users of the data": lambda log: replace(log, num_users=4),
    "number of items of the data": lambda log: replace(log, num_items=7),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_changes_the_fingerprint(change: Callable[[ServingLog], ServingLog]) -> None:
    assert change(ServingLog.of(data())).fingerprint != ServingLog.of(data()).fingerprint


def test_equal_content_has_the_same_fingerprint() -> None:
    expected = ServingLog.of(data()).fingerprint
    assert ServingLog.of(data()).fingerprint == expected
    assert ServingLog.of(
        replace(data(), name="another", user_ids=np.array([10, 20, 30], dtype=np.int32))
    ).fingerprint == (expected)
    assert len(expected) == 64
    int(expected, 16)


RATED = [(1, 5, 5, 10), (1, 6, 2, 20), (1, 7, 4, 30), (1, 8, 4, 35), (2, 5, 4, 40), (2, 9, 1, 50), (3, 6, 1, 60)]


def fingerprint(rows: Sequence[tuple[int, int, float, int]], titles: dict[int, str], **settings: Any) -> str:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"]).astype({"rating": float})
    log = Ratings.from_frame(frame, pd.Series(titles, dtype="str") if titles else None, time_unit="s")
    return ServingLog.of(prepare_ratings(log, {"feedback": {"threshold": 4}, **settings})).fingerprint


def test_of_a_log_it_follows_from_what_the_outputs_show() -> None:
    expected = fingerprint(RATED, {5: "A"})
    assert fingerprint(RATED[::-1], {5: "A"}) == expected, "the order of the file"
    assert fingerprint(RATED, {5: "A"}, num_candidates=1, candidate_seed=5) == expected, "candidates"
    others = [
        fingerprint(RATED, {}),
        fingerprint(RATED, {5: "B"}),
        fingerprint([*RATED, (3, 9, 1, 70)], {5: "A"}),
        fingerprint(RATED[:-1], {5: "A"}),
        fingerprint(RATED, {5: "A"}, feedback={"threshold": 4, "below_threshold": "unseen"}),
        fingerprint(RATED, {5: "A"}, feedback={"threshold": 2}),
    ]
    assert len({expected, *others}) == 7


def test_saving_over_an_older_one_replaces_it(saved: Path) -> None:
    (saved / "stray").write_text("from before")
    newer = ServingLog.of(literal_data())
    newer.save(saved)
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert ServingLog.load(saved).fingerprint == newer.fingerprint
    assert [path.name for path in saved.parent.iterdir()] == ["log"]


USELESS = r"log is not a usable serving log: .*what to do: restore it from a backup or retrain"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=USELESS):
        ServingLog.load(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_changed_bit_is_refused(saved: Path, name: str, share: float) -> None:
    content = bytearray((saved / name).read_bytes())
    content[int(share * (len(content) - 1))] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ModelError, match=USELESS):
        ServingLog.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelError, match=USELESS):
        ServingLog.load(saved)


@pytest.mark.parametrize("name", module.FILES)
def test_a_file_of_another_log_is_refused(saved: Path, name: str, tmp_path: Path) -> None:
    other = ServingLog.of(literal_data())
    replace(other, titles=other.titles[::-1]).save(tmp_path / "other")
    (tmp_path / "other" / name).replace(saved / name)
    with pytest.raises(ModelError, match=f"{name} has the SHA-256 sum .*damaged, or of another"):
        ServingLog.load(saved)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{tmp_path / 'nowhere'} is not a usable serving log"):
        ServingLog.load(tmp_path / "nowhere")


def refused(folder: Path, words: str) -> None:
    """As someone who knows the sums would have it: what the files say must fit all the same."""
    write_sums(folder)
    with pytest.raises(ModelError, match=f"is not a usable serving log: .*{words}"):
        ServingLog.load(folder)


@pytest.mark.parametrize(
    ("name", "column", "row", "value", "words"),
    [
        ("pairs", "item", 0, 7, "a seen item is 0 or 7, of 7"),
        ("pairs", "item", 3, -1, "a seen item is -1 or 6, of 7"),
        ("users", "count", 0, 8, "pairs.parquet has 18 items; the users have 19, the least of them 1"),
        ("users", "count", 4, -2, "the users have 14, the least of them -2"),
        ("users", "liked", 3, 2, "a user has more items that count as interactions than items"),
        ("users", "liked", 3, -1, "a user has more items that count as interactions than items"),
    ],
)
def test_items_of_users_that_do_not_fit_are_refused(
    saved: Path, name: str, column: str, row: int, value: int, words: str
) -> None:
    frame = pd.read_parquet(saved / f"{name}.parquet")
    frame.loc[row, column] = value
    frame.to_parquet(saved / f"{name}.parquet")
    refused(saved, words)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", 99, "its format is 99, not 1"),
        ("num_users", 6, "it is of 6 users and 6 items, but has 5 and 7"),
        ("num_users", -1, "it is of -1 users and 6 items, but has 5 and 7"),
        ("num_items", 8, "it is of 3 users and 8 items, but has 5 and 7"),
        ("user_id", "str", "str"),
        ("item_id", "float", "float"),
        ("item_id", None, "None"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(saved: Path, key: str, value: Any, words: str) -> None:
    write_json(saved / "log.json", read_json(saved / "log.json") | {key: value})
    refused(saved, words)


@pytest.mark.parametrize("key", ["format", "user_id", "item_id", "num_users", "num_items"])
def test_a_header_without_a_key_is_refused(saved: Path, key: str) -> None:
    header = read_json(saved / "log.json")
    del header[key]
    write_json(saved / "log.json", header)
    refused(saved, key)
    write_json(saved / "log.json", [header])
    refused(saved, "")


COLUMNS = {"users": ["user_id", "count", "liked"], "items": ["item_id", "title"], "pairs": ["item"]}


@pytest.mark.parametrize(("name", "column"), [(name, column) for name in COLUMNS for column in COLUMNS[name]])
def test_a_table_without_a_column_is_refused(saved: Path, name: str, column: str) -> None:
    file = saved / f"{name}.parquet"
    pd.read_parquet(file).rename(columns={column: "other"}).to_parquet(file)
    refused(saved, column)
