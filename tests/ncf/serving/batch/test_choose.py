"""Users and items by list, file, category; and what is refused."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from ncf.errors import DataError
from ncf.serving.batch.choose import choose_items, choose_users, num_offered
from ncf.serving.config import ItemFilters, UserChoice
from ncf.serving.recommender import Recommender
from tests.ncf.serving.bundles import bundle_of, some_data, with_text_ids, with_uuids

INTEGER, TEXT, UUIDS = (bundle_of(data(some_data())) for data in (lambda data: data, with_text_ids, with_uuids))
RECOMMENDER = Recommender(INTEGER)  # users 3, 13 ... 243; items 1, 8 ... 120


def file(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def kept(filters: ItemFilters, recommender: Recommender = RECOMMENDER) -> list[Any]:
    choice = choose_items(recommender, filters)
    items = np.delete(recommender.bundle.item_ids, choice.left_out.numpy())
    assert num_offered(Recommender(recommender.bundle, choice=choice)) == len(items)
    return list(items.tolist())


def test_all_users_by_default() -> None:
    assert choose_users(INTEGER.log, UserChoice()).tolist() == INTEGER.user_ids.tolist()


@pytest.mark.parametrize("ids", [(13, 3, 99, 13), ("13", "3", "99"), (13, "3", 99)])
def test_integers_in_a_list_may_come_as_text(ids: Any) -> None:
    assert choose_users(INTEGER.log, UserChoice(ids=ids)).tolist() == [13, 3, 99]


def test_texts_and_uuids_in_a_list() -> None:
    assert choose_users(TEXT.log, UserChoice(ids=("user-003", "7"))).tolist() == ["user-003", "7"]
    one = UUID(int=13 << 64)
    assert choose_users(UUIDS.log, UserChoice(ids=(str(one).upper(),))).tolist() == [one]


@pytest.mark.parametrize(
    ("bundle", "ids", "words"),
    [
        (INTEGER, ("x",), "users.ids has an id of another type than the model's: 'x'; allowed: 64-bit integers"),
        (INTEGER, ("07",), "'07'; allowed: 64-bit integers"),
        (INTEGER, ("1", "1.5"), "'1.5'; allowed: 64-bit integers"),
        (TEXT, ("user-003", 7), "7; allowed: text"),
        (UUIDS, ("user-003",), "'user-003'; allowed: UUIDs"),
        (UUIDS, (7,), "7; allowed: UUIDs"),
    ],
)
def test_ids_of_another_type_are_refused_with_the_first(bundle: Any, ids: Any, words: str) -> None:
    with pytest.raises(DataError) as refused:
        choose_users(bundle.log, UserChoice(ids=ids))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.csv", "user_id\n13\n3\n13\n99\n"),
        ("u.csv", "name,user_id\nann,13\nbob,3\ncat,99\n"),
        ("u.tsv", "user_id\tage\n13\t4\n3\t5\n99\t6\n"),
        ("u.csv", "userId\n13\n3\n99\n"),
        ("u.inter", "user_id:token\titem_id:token\n13\t1\n3\t1\n13\t2\n99\t1\n"),
    ],
)
def test_users_of_a_text_file(tmp_path: Path, name: str, content: str) -> None:
    assert choose_users(INTEGER.log, UserChoice(path=file(tmp_path, name, content))).tolist() == [13, 3, 99]


def test_numbers_of_a_text_file_are_text_where_the_model_has_text(tmp_path: Path) -> None:
    path = file(tmp_path, "u.csv", "user_id\n007\n8\nuser-003\n")
    assert choose_users(TEXT.log, UserChoice(path=path, allow_unknown=True)).tolist() == ["007", "8", "user-003"]


def test_users_of_a_parquet_file_by_another_column(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    pd.DataFrame({"who": [13, 3], "age": [1, 2]}).to_parquet(path)
    assert choose_users(INTEGER.log, UserChoice(path=str(path), column="who")).tolist() == [13, 3]
    with pytest.raises(DataError, match="another type than the model's: 13; allowed: text, such as 'user-003'"):
        choose_users(TEXT.log, UserChoice(path=str(path), column="who"))
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=3 << 64).bytes], pa.binary(16)))
    parquet.write_table(pa.table({"user_id": ids}), path)
    assert choose_users(UUIDS.log, UserChoice(path=str(path))).tolist() == [UUID(int=3 << 64)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("user_id\n", "contains no ids"),
        ("user_id,age\n", "contains no ids"),
        ("who,age\n3,4\n", "has no column user_id; it has: ['who', 'age']; what to do: set users.column"),
        ("who\n3\n", "a file of one column has its name in the first line"),
        ("user_id\n3\nx\n", "column user_id has an id of another type than the model's: 'x'"),
        ("user_id,age\n3,1\n,2\n", "line 3"),
    ],
)
def test_a_file_of_users_that_is_wrong_is_named_with_the_reason(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(DataError) as refused:
        choose_users(INTEGER.log, UserChoice(path=file(tmp_path, "u.csv", content)))
    assert words in str(refused.value)
    assert "u.csv" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file: '.*/nowhere.csv'"):
        choose_users(INTEGER.log, UserChoice(path=str(tmp_path / "nowhere.csv")))


def test_lists_of_items(tmp_path: Path) -> None:
    allowed = file(tmp_path, "allowed.csv", "item_id\n1\n8\n15\n1000\n")
    blocked = file(tmp_path, "blocked.csv", "item_id\n8\n120\n")
    every = INTEGER.item_ids.tolist()
    assert kept(ItemFilters()) == every
    assert kept(ItemFilters(allowlist=allowed)) == [1, 8, 15]
    assert kept(ItemFilters(blocklist=blocked)) == [item for item in every if item not in (8, 120)]
    assert kept(ItemFilters(allowlist=allowed, blocklist=blocked)) == [1, 15]


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("c.csv", "item_id,category\n1,Comedy|Drama\n8,Drama\n15,Comedy\n22,War\n999,Comedy\n", {}),
        ("c.csv", "item_id,category\n1,Comedy\n1,Drama\n8,Drama\n15,Comedy\n29,\n", {}),
        (
            "c.item",
            "item_id:token\tmovie_title:token_seq\tclass:token_seq\n1\tA\tComedy Drama\n15\tB\tComedy\n22\tC\tWar\n"
            "29\tD\tDrama\n",
            {"categories_column": "class", "categories_separator": " "},
        ),
    ],
    ids=["several in a cell", "several rows", "MovieLens of RecBole"],
)
def test_items_by_category(tmp_path: Path, name: str, content: str, settings: dict[str, str]) -> None:
    path = file(tmp_path, name, content)

    def of(*names: str) -> list[Any]:
        return kept(ItemFilters.model_validate({"categories": names, "categories_path": path, **settings}))

    assert of("Comedy") == [1, 15]
    assert of("Drama")[0] == 1
    assert set(of("Comedy", "Drama")) == {1, 15, *of("Drama")}
    with pytest.raises(DataError, match=r"no item of the category: 'comedy'.*did you mean 'Comedy' for 'comedy'\?"):
        of("comedy")


@pytest.mark.parametrize("bundle", [TEXT, UUIDS], ids=["text", "uuid"])
def test_lists_of_items_with_other_kinds_of_ids(bundle: Any, tmp_path: Path) -> None:
    listed = [str(item) for item in bundle.item_ids[:2]]
    path = file(tmp_path, "items.csv", "item_id\n" + "\n".join(listed) + "\n")
    assert [str(item) for item in kept(ItemFilters(allowlist=path), Recommender(bundle))] == listed


def test_filters_that_leave_nothing_are_named(tmp_path: Path) -> None:
    some = file(tmp_path, "some.csv", "item_id\n1\n8\n")
    strangers = file(tmp_path, "strangers.csv", "item_id\n1000\n")
    categories = file(tmp_path, "categories.csv", "item_id,category\n1,War\n15,Love\n")
    for filters, last in (
        (ItemFilters(allowlist=strangers, allow_unknown=True), "allowlist"),
        (ItemFilters(allowlist=some, blocklist=some), "blocklist"),
        (ItemFilters(allowlist=some, categories=("Love",), categories_path=categories), "categories Love"),
    ):
        with pytest.raises(DataError, match=f"the filters leave no item to recommend: '{last}"):
            choose_items(RECOMMENDER, filters)


ZEROS = bundle_of(replace(some_data(), item_ids=np.array([f"{n:04}" for n in range(1, 19)], dtype=object)))


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        # a blocklist that went through a spreadsheet: item_id,4,8,12
        (
            ["4", "8", "12"],
            "knows 0 of 3 ids; unknown are: ['4', '8', '12']; allowed: at least half of the list; known",
        ),
        (
            ["4", "8", "12"],
            "known ids are '0001', '0002', '0003'; what to do: the nearest known ids are '0004' for '4',",
        ),
        (["4", "8", "0012"], "knows 1 of 3 ids; unknown are: ['4', '8']"),
        (["0004 ", "0008 "], "'0004' for '0004 '"),
        (["4.0", "8.00"], "'0004' for '4.0', '0008' for '8.00'"),
        (['"""0004"""', "'0008"], "'0004' for '\"0004\"', '0008' for \"'0008\""),
        (["nothing"], "what to do: check filters.column; to take the list as it is: --filters.allow-unknown"),
    ],
)
@pytest.mark.parametrize("kind", ["blocklist", "allowlist"])
def test_a_list_of_items_that_the_model_hardly_knows_is_refused(
    tmp_path: Path, kind: str, listed: list[str], words: str
) -> None:
    path = file(tmp_path, "block.csv", "\n".join(["item_id", *listed]) + "\n")
    with pytest.raises(DataError) as refused:
        choose_items(Recommender(ZEROS), ItemFilters.model_validate({kind: path}))
    assert words in str(refused.value)
    assert str(refused.value).startswith(f"{kind} {path}: the model ")


def test_half_of_a_list_is_enough_and_the_rest_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file(tmp_path, "block.csv", "item_id\n0004\n8\n")
    with caplog.at_level(logging.INFO):
        assert "0004" not in kept(ItemFilters(blocklist=path), Recommender(ZEROS))
    assert "the model knows 1 of 2 ids; unknown: '8' (the nearest known ids are '0008' for '8')" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        kept(ItemFilters(blocklist=file(tmp_path, "all.csv", "item_id\n0004\n")), Recommender(ZEROS))
    assert "the model knows 1 of 1 ids" in caplog.text


def test_a_list_that_matches_nothing_is_taken_if_the_settings_allow_it(tmp_path: Path) -> None:
    path = file(tmp_path, "block.csv", "item_id\n4\n8\n")
    assert len(kept(ItemFilters(blocklist=path, allow_unknown=True), Recommender(ZEROS))) == 18


def test_another_column_of_the_right_file_matches_nothing(tmp_path: Path) -> None:
    path = file(tmp_path, "block.csv", "item_id,title\n0004,Heat\n")
    with pytest.raises(DataError, match=r"the model knows 0 of 1 ids.*check filters.column"):
        choose_items(Recommender(ZEROS), ItemFilters(blocklist=path, column="title"))


@pytest.mark.parametrize(
    ("bundle", "users", "words"),
    [
        (TEXT, {"ids": ("USER-003 ",)}, "users.ids: the log knows 0 of 1 ids; unknown are: ['USER-003 ']"),
        (TEXT, {"ids": ("USER-003 ",)}, "the nearest known ids are 'user-003' for 'USER-003 '"),
        (
            TEXT,
            {"ids": ("user-0003", "x", "y")},
            "'user-003' for 'user-0003'; to take the list as it is: --users.allow",
        ),
        (INTEGER, {"ids": (3, 4, 5)}, "the log knows 1 of 3 ids; unknown are: [4, 5]"),
        (
            INTEGER,
            {"ids": ("3.0",)},
            "'3.0'; allowed: 64-bit integers, such as 3, 13, 23; what to do: correct or remove",
        ),
        (INTEGER, {"ids": ("3.0",)}, "the nearest known id is 3"),
        (UUIDS, {"ids": (str(UUID(int=1)),)}, f"unknown are: ['{UUID(int=1)}']"),
    ],
)
def test_users_whom_the_model_does_not_know_are_refused(bundle: Any, users: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as refused:
        choose_users(bundle, UserChoice.model_validate(users))
    assert words in str(refused.value)


def test_a_file_of_strangers_is_taken_if_the_settings_allow_it(tmp_path: Path) -> None:
    path = file(tmp_path, "u.csv", "user_id\n1\n2\n")
    with pytest.raises(
        DataError, match=rf"{path}: the log knows 0 of 2 ids.*check users.column.*--users.allow-unknown"
    ):
        choose_users(INTEGER.log, UserChoice(path=path))
    assert choose_users(INTEGER.log, UserChoice(path=path, allow_unknown=True)).tolist() == [1, 2]


def test_numbers_of_parquet_where_the_model_has_text_are_told_with_the_nearest_text(tmp_path: Path) -> None:
    path = tmp_path / "block.parquet"
    pd.DataFrame({"item_id": [4, 8]}).to_parquet(path)
    with pytest.raises(
        DataError, match=r"another type.*: 4; allowed: text, such as '0001'.*nearest known id is '0004'"
    ):
        choose_items(Recommender(ZEROS), ItemFilters(blocklist=str(path)))


def test_categories_of_items_that_the_model_does_not_know_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "c.csv", "item_id,category\n1,War\n2,War\n")
    filters = ItemFilters(categories=("War",), categories_path=path)
    with pytest.raises(
        DataError, match=r"c.csv, column item_id: the model knows 0 of 2 ids.*'0001' for '1'.*categories_"
    ):
        choose_items(Recommender(ZEROS), filters)
    with pytest.raises(DataError, match="the filters leave no item"):
        choose_items(Recommender(ZEROS), filters.model_copy(update={"allow_unknown": True}))


def test_a_catalogue_of_more_items_than_the_log_has_is_no_mismatch(tmp_path: Path) -> None:
    rows = [f"{n:04},{'War' if n < 3 else 'Love'}" for n in range(1, 200)]
    path = file(tmp_path, "c.csv", "\n".join(["item_id,category", *rows]) + "\n")
    filters = ItemFilters(categories=("War",), categories_path=path)
    assert kept(filters, Recommender(ZEROS)) == ["0001", "0002"]


def test_categories_that_no_item_has_are_all_named_or_allowed(tmp_path: Path) -> None:
    path = file(tmp_path, "c.csv", "item_id,category\n0001,War\n0002,Love\n")
    filters = ItemFilters(categories=("WAR", "lovely", "Love"), categories_path=path)
    with pytest.raises(DataError, match=r"of the categories: \['WAR', 'lovely'\].*did you mean 'War' for 'WAR'"):
        choose_items(Recommender(ZEROS), filters)
    assert kept(filters.model_copy(update={"allow_unknown": True}), Recommender(ZEROS)) == ["0002"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((UserChoice, {"ids": (1,), "path": "a.csv"}), "either ids or path"),
        ((UserChoice, {"ids": ()}), "at least 1"),
        ((ItemFilters, {"categories": ("War",)}), "go together"),
        ((ItemFilters, {"categories_path": "a.csv"}), "go together"),
    ],
)
def test_settings_that_contradict_each_other(settings: tuple[Any, dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings[0].model_validate(settings[1])
