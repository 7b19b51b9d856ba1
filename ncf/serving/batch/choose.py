"""Which users get lists, and which items may be recommended: from settings and files of ids."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from ncf.data.columns import ITEM_ID, TITLE, USER_ID, Ids
from ncf.data.ids import IdKind, kind_of
from ncf.errors import DataError
from ncf.ingest.columns import integers_of
from ncf.ingest.config import ColumnName, FileSource
from ncf.ingest.files import Table, open_table
from ncf.serving.config import ItemFilters, UserChoice
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Choice, Recommender

ALLOWED = {"int": "64-bit integers", "str": "text", "uuid": "UUIDs"}
SHOWN_NAMES = 20  # in a message


def read_ids(path: str, column: ColumnName, role: str, setting: str, kind: IdKind) -> Ids:
    """Ids of a kind from a column of text or Parquet files, without repetitions, in the files' order.

    Usual spellings of the column's name are found, as in a log; errors name the setting.

    Raises:
        DataError: the file or the column is not there, or has no ids or others than the model's.
    """
    table = open_table(path, _as_written(column), lambda _: {role: column}, {role: setting})
    blocks = [block[role] for block in _blocks(table)]
    ids = [convert(block, kind, f"{path}, column {table.names[role]}") for block in blocks if len(block)]
    if not ids:
        raise DataError(f"{path} contains no ids", do="check that it is the right file, and is complete")
    return pd.unique(np.concatenate(ids))


def read_categories(
    path: str, item: ColumnName, category: ColumnName, separator: str, kind: IdKind
) -> "pd.Series[Any]":
    """Categories of items: id -> category, a row for each of an item's several; errors are those of `read_ids`."""
    settings = {ITEM_ID: "filters.categories_item", TITLE: "filters.categories_column"}
    table = open_table(path, _as_written(item, category), lambda _: {ITEM_ID: item, TITLE: category}, settings)
    where = f"{path}, column {table.names[ITEM_ID]}"
    blocks = [
        pd.Series(block[TITLE].to_pandas().to_numpy(dtype=object), index=pd.Index(convert(block[ITEM_ID], kind, where)))
        for block in _blocks(table)
    ]
    if not blocks:
        raise DataError(f"{path} contains no rows", do="check that it is the right file, and is complete")
    categories = pd.concat(blocks).dropna().str.split(separator, regex=False).explode().str.strip()
    return categories[categories != ""]


def ids_of_settings(values: Sequence[str | int], kind: IdKind) -> Ids:
    """Ids from settings, without repetitions. Text is converted to the kind; a number is not converted to text.

    Raises:
        DataError: one is of another kind than the model's.
    """
    where = "users.ids"
    if kind != "int":
        wrong = [value for value in values if not isinstance(value, str)]
        if wrong:
            raise _other_kind(where, wrong[0], kind)
    return pd.unique(convert(pa.array([str(value) for value in values], pa.string()), kind, where))


def convert(values: Any, kind: IdKind, where: str) -> Ids:
    """An Arrow array of int64 or strings, without nulls, as ids of a kind.

    Raises:
        DataError: a value is of another kind.
    """
    integers = pa.types.is_integer(values.type)
    if kind == "int":
        found = values if integers else integers_of(values)
        if found is None:
            wrong = (value for value in values.to_pylist() if integers_of(pa.array([value], pa.string())) is None)
            raise _other_kind(where, next(wrong), kind)
        numbers: Ids = found.to_numpy()
        return numbers
    if integers:
        raise _other_kind(where, values[0].as_py(), kind)
    converted = []
    for text in values.to_pylist():
        try:
            converted.append(text if kind == "str" else UUID(text))
        except ValueError as error:
            raise _other_kind(where, text, kind) from error
    return np.array(converted, dtype=object)


def _as_written(*columns: ColumnName) -> FileSource:
    return FileSource(path="-", header=True if any(isinstance(column, str) for column in columns) else None)


def _blocks(table: Table) -> Iterator[Any]:
    return (block for file in table.files for block in table.blocks(file, small=True))


def _other_kind(where: str, value: Any, kind: IdKind) -> DataError:
    return DataError(
        f"{where} has an id of another type than the model's",
        got=value,
        allowed=ALLOWED[kind],
        do="correct or remove it",
    )


def choose_users(log: ServingLog, users: UserChoice) -> Ids:
    """User ids, without repetitions; by default those of the log that its filters left. Others may be unknown.

    Raises:
        DataError: they can't be read, or are not of the model's type.
    """
    kind = kind_of(log.user_ids)
    if users.path is not None:
        return read_ids(users.path, users.column, USER_ID, "users.column", kind)
    return log.user_ids[: log.num_users] if users.ids is None else ids_of_settings(users.ids, kind)


def choose_items(recommender: Recommender, filters: ItemFilters) -> Choice:
    """The items that the filters allow.

    Raises:
        DataError: a file can't be read, a category is unknown, or nothing is left.
    """
    left = torch.ones(len(recommender.bundle.item_ids), dtype=torch.bool)
    for name, path in (("allowlist", filters.allowlist), ("blocklist", filters.blocklist)):
        if path is not None:
            ids = read_ids(path, filters.column, ITEM_ID, "filters.column", kind_of(recommender.bundle.item_ids))
            listed = _marked(recommender, ids)
            left &= listed if name == "allowlist" else ~listed
            _refuse_none(left, f"{name} {path}")
    if filters.categories is not None:
        left &= _of_categories(recommender, filters, filters.categories)
        _refuse_none(left, f"categories {', '.join(filters.categories)}")
    return Choice((~left).nonzero()[:, 0], filters.unseen)


def _of_categories(recommender: Recommender, filters: ItemFilters, wanted: tuple[str, ...]) -> Tensor:
    assert filters.categories_path is not None  # the settings require both
    kind = kind_of(recommender.bundle.item_ids)
    columns = filters.categories_item, filters.categories_column
    found = read_categories(filters.categories_path, *columns, filters.categories_separator, kind)
    known = sorted(set(found))
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise DataError(
                f"{filters.categories_path} contains no item of the category",
                got=name,
                allowed=", ".join(known[:SHOWN_NAMES]) + (", ..." if len(known) > SHOWN_NAMES else ""),
                do=f"did you mean {near[0]}?" if near else "check filters.categories and categories_separator",
            )
    return _marked(recommender, found.index[found.isin(wanted)].to_numpy())


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
