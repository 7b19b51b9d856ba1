"""Which users get lists, and which items may be recommended: from settings and files of ids."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from ncf.data import ITEM_ID, TITLE, USER_ID, Ids
from ncf.data.ids import KnownIds, kind_of
from ncf.errors import DataError
from ncf.ingest.columns import integers_of
from ncf.ingest.config import ColumnName, FileSource
from ncf.ingest.tables import Table, open_table
from ncf.serving.config import ItemFilters, UserChoice
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Choice, Recommender

ALLOWED = {"int": "64-bit integers", "str": "text", "uuid": "UUIDs"}
SHOWN_NAMES = 20  # in a message

log = logging.getLogger(__name__)


def read_ids(path: str, column: ColumnName, role: str, setting: str, known: Ids) -> Ids:
    """Ids of the model's type from a column of text or Parquet files, without repetitions, in the files' order.

    Usual spellings of the column's name are found, as in a log; errors name the setting.

    Raises:
        DataError: the file or the column is not there, or has no ids or others than the model's.
    """
    table = open_table(path, _as_written(column), lambda _: {role: column}, {role: setting})
    blocks = [block[role] for block in _blocks(table)]
    ids = [convert(block, known, f"{path}, column {table.names[role]}") for block in blocks if len(block)]
    if not ids:
        raise DataError(f"{path} contains no ids", do="check that it is the right file, and is complete")
    return pd.unique(np.concatenate(ids))


def read_categories(path: str, filters: ItemFilters, known: Ids) -> "pd.Series[Any]":
    """Categories of items: id -> category, a row for each of an item's several; errors are those of `read_ids`.

    Raises:
        DataError: also if fewer than half of the items are known, and these are fewer than half of the model's.
    """
    item, category = filters.categories_item, filters.categories_column
    settings = {ITEM_ID: "filters.categories_item", TITLE: "filters.categories_column"}
    table = open_table(path, _as_written(item, category), lambda _: {ITEM_ID: item, TITLE: category}, settings)
    where = f"{path}, column {table.names[ITEM_ID]}"
    blocks = [
        pd.Series(
            block[TITLE].to_pandas().to_numpy(dtype=object), index=pd.Index(convert(block[ITEM_ID], known, where))
        )
        for block in _blocks(table)
    ]
    if not blocks:
        raise DataError(f"{path} contains no rows", do="check that it is the right file, and is complete")
    categories = pd.concat(blocks)
    found = KnownIds(categories.index, known)
    is_catalogue = 2 * int(found.is_known.sum()) >= len(known)  # it may be of more items than the log has
    check = "check filters.categories_item"
    found.check(
        where, DataError, allow=filters.allow_unknown or is_catalogue, switch="--filters.allow-unknown", check=check
    )
    categories = categories.dropna().str.split(filters.categories_separator, regex=False).explode().str.strip()
    return categories[categories != ""]


def ids_of_settings(values: Sequence[str | int], known: Ids) -> Ids:
    """Ids from settings, without repetitions. Text is converted to the model's type; a number is not made text.

    Raises:
        DataError: one is of another type than the model's.
    """
    where = "users.ids"
    if kind_of(known) != "int":
        wrong = [value for value in values if not isinstance(value, str)]
        if wrong:
            raise _other_kind(where, wrong[0], known)
    return pd.unique(convert(pa.array([str(value) for value in values], pa.string()), known, where))


def convert(values: Any, known: Ids, where: str) -> Ids:
    """An Arrow array of int64 or strings, without nulls, as ids of the type of the known ones.

    Raises:
        DataError: a value is of another type.
    """
    kind, integers = kind_of(known), pa.types.is_integer(values.type)
    if kind == "int":
        found = values if integers else integers_of(values)
        if found is None:
            wrong = (value for value in values.to_pylist() if integers_of(pa.array([value], pa.string())) is None)
            raise _other_kind(where, next(wrong), known)
        numbers: Ids = found.to_numpy()
        return numbers
    if integers:
        raise _other_kind(where, values[0].as_py(), known)
    converted = []
    for text in values.to_pylist():
        try:
            converted.append(text if kind == "str" else UUID(text))
        except ValueError as error:
            raise _other_kind(where, text, known) from error
    return np.array(converted, dtype=object)


def _as_written(*columns: ColumnName) -> FileSource:
    return FileSource(path="-", header=True if any(isinstance(column, str) for column in columns) else None)


def _blocks(table: Table) -> Iterator[Any]:
    for file in table.files:
        yield from table.blocks(file, small=True)
    for note in table.notes():
        log.info("%s", note)


def _other_kind(where: str, value: Any, known: Ids) -> DataError:
    ids = KnownIds([value], known)
    near = ids.nearest(value)
    return DataError(
        f"{where} has an id of another type than the model's",
        got=value,
        allowed=f"{ALLOWED[kind_of(known)]}, such as {ids.examples()}",
        do="correct or remove it" + (f"; the nearest known id is {near!r}" if near is not None else ""),
    )


def choose_users(log: ServingLog, users: UserChoice) -> Ids:
    """User ids, without repetitions; by default those of the log that its filters left. Others may be unknown.

    Raises:
        DataError: they can't be read, are not of the model's type, or fewer than half are known.
    """
    known = log.user_ids
    if users.path is not None:
        ids = read_ids(users.path, users.column, USER_ID, "users.column", known)
    elif users.ids is not None:
        ids = ids_of_settings(users.ids, known)
    else:
        return known[: log.num_users]
    name, check = ("users.ids", "") if users.path is None else (users.path, "check users.column")
    found = KnownIds(ids, known, "the log")
    found.check(name, DataError, allow=users.allow_unknown, switch="--users.allow-unknown", check=check)
    return ids


def choose_items(recommender: Recommender, filters: ItemFilters) -> Choice:
    """The items that the filters allow.

    Raises:
        DataError: a file can't be read, fewer than half of its ids are known, a category is unknown, or nothing is
            left.
    """
    known = recommender.bundle.item_ids
    left = torch.ones(len(known), dtype=torch.bool)
    for name, path in (("allowlist", filters.allowlist), ("blocklist", filters.blocklist)):
        if path is not None:
            ids = read_ids(path, filters.column, ITEM_ID, "filters.column", known)
            KnownIds(ids, known).check(
                f"{name} {path}",
                DataError,
                allow=filters.allow_unknown,
                switch="--filters.allow-unknown",
                check="check filters.column",
            )
            listed = _marked(recommender, ids)
            left &= listed if name == "allowlist" else ~listed
            _refuse_none(left, f"{name} {path}")
    if filters.categories is not None:
        left &= _of_categories(recommender, filters, filters.categories)
        _refuse_none(left, f"categories {', '.join(filters.categories)}")
    return Choice((~left).nonzero()[:, 0], filters.unseen)


def _of_categories(recommender: Recommender, filters: ItemFilters, wanted: tuple[str, ...]) -> Tensor:
    path = filters.categories_path
    assert path is not None  # the settings require both
    found = read_categories(path, filters, recommender.bundle.item_ids)
    names = sorted(set(found))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        if not filters.allow_unknown:
            raise _unknown_categories(path, unknown, names)
        log.warning("%s contains no item of the categories %s", path, ", ".join(unknown))
    return _marked(recommender, found.index[found.isin(wanted)].to_numpy())


def _unknown_categories(path: str, unknown: list[str], names: list[str]) -> DataError:
    hints = KnownIds(unknown, np.array(names, dtype=object)).hints()
    return DataError(
        f"{path} contains no item of the categor{'y' if len(unknown) == 1 else 'ies'}",
        got=unknown[0] if len(unknown) == 1 else unknown,
        allowed=", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else ""),
        do=f"did you mean {hints}?" if hints else "check filters.categories and categories_separator",
    )


def _marked(recommender: Recommender, ids: Ids) -> Tensor:
    """Which of the catalogue's items are among the ids, bool[num_items]."""
    items = recommender.items_of(ids)
    marked = torch.zeros(len(recommender.bundle.item_ids), dtype=torch.bool)
    marked[items[items >= 0]] = True
    return marked


def _refuse_none(left: Tensor, last: str) -> None:
    if not left.any():
        raise DataError(
            "the filters leave no item to recommend",
            got=last,
            allowed="at least one of the items that the model knows",
            do="check the ids in the file, and whether the filters contradict each other",
        )


def num_offered(recommender: Recommender) -> int:
    """Number of items that may be recommended, before those that a user has seen are left out."""
    return int(len(recommender.bundle.item_ids) - len(np.unique(recommender.choice.left_out.numpy())))
