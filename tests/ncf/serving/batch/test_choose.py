"""Users and items by list, file, category; and what is refused."""

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
    one = str(UUID(int=5)).upper()
    assert choose_users(UUIDS.log, UserChoice(ids=(one,))).tolist() == [UUID(int=5)]


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
    assert choose_users(TEXT.log, UserChoice(path=path)).tolist() == ["007", "8", "user-003"]


def test_users_of_a_parquet_file_by_another_column(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    pd.DataFrame({"who": [13, 3], "age": [1, 2]}).to_parquet(path)
    assert choose_users(INTEGER.log, UserChoice(path=str(path), column="who")).tolist() == [13, 3]
    with pytest.raises(DataError, match="another type than the model's: 13; allowed: text"):
        choose_users(TEXT.log, UserChoice(path=str(path), column="who"))
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=5).bytes], pa.binary(16)))
    parquet.write_table(pa.table({"user_id": ids}), path)
    assert choose_users(UUIDS.log, UserChoice(path=str(path))).tolist() == [UUID(int=5)]


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
    with pytest.raises(DataError, match=r"no item of the category: 'comedy'.*did you mean Comedy\?"):
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
        (ItemFilters(allowlist=strangers), "allowlist"),
        (ItemFilters(allowlist=some, blocklist=some), "blocklist"),
        (ItemFilters(allowlist=some, categories=("Love",), categories_path=categories), "categories Love"),
    ):
        with pytest.raises(DataError, match=f"the filters leave no item to recommend: '{last}"):
            choose_items(RECOMMENDER, filters)


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
