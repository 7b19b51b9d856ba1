"""A log from files, be they text, JSON or Parquet, with the items' titles from a file of their own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ncf.data import ITEM_ID, TEST, TITLE, TRAIN, USER_ID, VALIDATION
from ncf.data.config import IdRules
from ncf.data.ratings import Ratings, Tally
from ncf.data.written_ids import settled_ids
from ncf.errors import DataError
from ncf.ingest.columns import IdColumn, as_uuids, is_position, with_filters
from ncf.ingest.config import ColumnName, FileSource
from ncf.ingest.locations import File
from ncf.ingest.tables import Table, open_table
from ncf.ingest.text import NotAllIntegersError
from ncf.ingest.where import RowFilter

TITLES_SETTINGS = {ITEM_ID: "titles_item", TITLE: "titles_title"}

logger = logging.getLogger(__name__)


@dataclass
class _Log:
    """The rows read so far, and where they came from: with the rows of a file that were taken, if not all were.

    Of cells with several items, `places` has the row, among those taken, that each was in.
    """

    rows: RowFilter
    item_separator: str | None = None
    cells: int = 0
    empty_cells: int = 0
    ids: dict[str, IdColumn] = field(default_factory=lambda: {USER_ID: IdColumn(), ITEM_ID: IdColumn()})
    others: dict[str, list[Any]] = field(default_factory=dict)
    types: dict[str, dict[Any, File]] = field(default_factory=dict)  # of the others: the first file with each
    origins: list[tuple[Table, File, int, list[NDArray[np.bool_]], list[NDArray[np.int64]]]] = field(
        default_factory=list
    )

    def locate(self, row: int) -> str:
        """Where a row, from 0, is, in words."""
        for table, file, rows, taken, places in self.origins:
            if row < rows:
                place = int(np.concatenate(places)[row]) if places else row
                return table.locate(file, int(np.flatnonzero(np.concatenate(taken))[place]) if taken else place)
            row -= rows
        raise IndexError(row)

    def told(self, tally: Tally) -> Tally:
        """The tally with the rows that `where` left out, and the cells that were divided."""
        tally = self.rows.told(tally)
        if self.item_separator is None:
            return tally
        empty = f"; {self.empty_cells:,} cells have none" if self.empty_cells else ""
        return tally.note(f"{len(self):,} items in {self.cells:,} cells, divided by {self.item_separator!r}{empty}")

    def __len__(self) -> int:
        return sum(rows for _table, _file, rows, *_ in self.origins)

    def divided(self, block: dict[str, Any], places: list[NDArray[np.int64]], before: int) -> dict[str, Any]:
        """A row for each item of a cell, by role; `before` rows of the file came before the block."""
        if self.item_separator is None:
            return block
        lists = pc.split_pattern(block[ITEM_ID].cast(pa.string()), self.item_separator)
        items, parents = lists.flatten(), pc.list_parent_indices(lists)
        filled = pc.not_equal(items, "")
        parents = parents.filter(filled)
        places.append(parents.to_numpy() + before)
        self.cells += len(lists)
        self.empty_cells += len(lists) - len(np.unique(parents))
        return {role: items.filter(filled) if role == ITEM_ID else of.take(parents) for role, of in block.items()}


def load_files(source: FileSource) -> Ratings:
    """Read and check the files of a log.

    Columns that are not wanted are passed over. Rows are in the order of the files, sorted by path, and of their lines.

    Raises:
        DataError: a file is not there, or not what it should be; with the line, where there is one.
    """
    tables = open_tables(source)
    titles = open_titles(source)
    for table in (*tables.values(), *([] if titles is None else [titles])):
        logger.info("reading %s", table.understood())
    try:
        log, splits = _read(tables, source, integer_times=True)
    except NotAllIntegersError:
        log, splits = _read(tables, source, integer_times=False)
    frame = _frame(log, frozenset.intersection(*(table.uuids for table in tables.values())))
    train = tables[TRAIN]
    ratings = Ratings.from_frame(
        frame,
        time_unit=source.time_unit,
        time_format=source.time_format,
        splits=splits if len(tables) > 1 else None,
        locate=log.locate,
        ids=source.ids,
        names=train.names if train.named else {},
        untyped=not any(table.typed for table in tables.values()),
    )
    ratings = replace(ratings, tally=log.told(ratings.tally))
    if titles is not None:
        ratings = replace(ratings, titles=read_titles(titles, source.ids, ratings.frame[ITEM_ID]))
    for table in (*tables.values(), *([] if titles is None else [titles])):
        for note in (*table.notes(), *(table.kinds if table is train else ())):
            logger.info("%s", note)
            ratings = replace(ratings, tally=ratings.tally.note(note))
    if not train.guessed:
        return ratings
    note = f"columns taken: {', '.join(f'{train.names[r]} as {r}' for r in train.names if r in train.guessed)}"
    logger.info("%s: %s", train.files[0], note)
    return replace(ratings, tally=ratings.tally.note(note))


def open_tables(source: FileSource) -> dict[int, Table]:
    """The log's table, or those of the split that it brings: TRAIN, VALIDATION or TEST -> table.

    Raises:
        DataError: files are not there, or their columns are not what they should be.
    """
    paths = {TRAIN: source.path, VALIDATION: source.validation_path, TEST: source.test_path}
    wanted = with_filters(source.columns, source.where)
    tables = {split: open_table(path, source, lambda _: wanted) for split, path in paths.items() if path is not None}
    train = tables[TRAIN]
    for table in tables.values():
        if other := set(table.names) ^ set(train.names):
            raise DataError(
                f"of {train.files[0]} and {table.files[0]} only one has the column",
                got=", ".join(sorted(other)),
                do="give both the same columns",
            )
    return tables


def _read(tables: dict[int, Table], source: FileSource, *, integer_times: bool) -> tuple[_Log, NDArray[np.int8]]:
    log = _Log(RowFilter(source.where), source.item_separator)
    splits = []
    for split, table in tables.items():
        rows = sum(_read_file(log, table, file, integer_times) for file in table.files)
        if not rows and log.rows.seen_any:
            raise log.rows.refusal(table.files[0])
        if not rows:
            raise DataError(f"{table.files[0]} has no rows", do="check that it was written to the end")
        splits.append(np.full(rows, split, dtype=np.int8))
    return log, np.concatenate(splits)


def _read_file(log: _Log, table: Table, file: File, integer_times: bool) -> int:
    rows = taken = 0
    log.rows.masks = []
    places: list[NDArray[np.int64]] = []
    for undivided in table.blocks(file, integer_times=integer_times, rows=log.rows):
        block = log.divided(undivided, places, taken)
        taken += len(undivided[USER_ID])
        rows += len(block[USER_ID])
        for role, values in block.items():
            if role in log.ids:
                log.ids[role].add(values, text=table.typed)
            else:
                log.others.setdefault(role, []).append(values)
                log.types.setdefault(role, {}).setdefault(values.type, file)
    log.origins.append((table, file, rows, log.rows.masks, places))
    return rows


def _frame(log: _Log, uuids: frozenset[str]) -> pd.DataFrame:
    """Column after column, so that no more than one is there twice."""
    columns: dict[str, Any] = {}
    for role, ids in log.ids.items():
        columns[role] = ids.take()
        pa.default_memory_pool().release_unused()  # else its blocks stay with the process
        if role in uuids:
            columns[role] = as_uuids(columns[role])
    for role in list(log.others):
        columns[role] = _joined(role, log.others.pop(role), log.types[role])
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)


def _joined(role: str, blocks: list[Any], types: dict[Any, File]) -> "pd.Series[Any]":
    kind = _common_type(role, types)
    values: Any = pa.chunked_array([block.cast(kind) for block in blocks], kind)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return pd.Series(values.to_numpy()) if number else values.to_pandas()


def _common_type(role: str, types: dict[Any, File]) -> Any:
    """The Arrow type that takes the values of several.

    Raises:
        DataError: there is none.
    """
    if len(types) == 1:
        return next(iter(types))
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return pa.float64()
    got = ", ".join(f"{kind} in {file}" for kind, file in types.items())
    raise DataError(f"the files have {role} in different types", got=got, do="write them in the same type")


def open_titles(source: FileSource) -> Table | None:
    """The titles' file, if there is one; its columns are called as those of the log are, unless they are set."""
    if source.titles_path is None:
        return None
    named = not (is_position(source.titles_item) and is_position(source.titles_title))
    own = source.model_copy(
        update={"format": "auto", "header": True if named else source.header, "skip_rows": 0, "item_separator": None}
    )
    item = source.columns.item

    def wanted(names: Sequence[str]) -> dict[str, ColumnName | None]:
        as_in_log = source.titles_item not in names and item in names
        return {ITEM_ID: item if as_in_log else source.titles_item, TITLE: source.titles_title}

    return open_table(source.titles_path, own, wanted, TITLES_SETTINGS)


def read_titles(table: Table, rules: IdRules, items: "pd.Series[Any]") -> "pd.Series[str]":
    """The titles of a file with ids of the log's type, given the ids of the log."""
    return _titles_of(_all_titles(table, rules), items)


def _all_titles(table: Table, rules: IdRules) -> "pd.Series[str]":
    """Item id, integer or text as the file has it, -> title; the first of several, and none that is empty."""
    ids = IdColumn()
    texts: list[Any] = []
    for file in table.files:
        for block in table.blocks(file):
            ids.add(block[ITEM_ID], text=table.typed)
            texts.append(block[TITLE])
    own = settled_ids(ids.take(), rules, untyped=not table.typed)
    titles = pd.Series(pa.chunked_array(texts, pa.string()).to_pandas().to_numpy(dtype=object), index=own)
    titles = titles[titles.notna() & (titles != "")]
    return titles[~titles.index.duplicated()].astype("str")


def _titles_of(titles: "pd.Series[str]", ids: "pd.Series[Any]") -> "pd.Series[str]":
    """The titles with ids of the log's type; an id that can't be one of the log's is left out.

    If none can be, they stay as they are: the report says that they are of no item, and what is nearest.
    """
    integers = pd.api.types.is_integer_dtype(ids)
    if not integers and isinstance(ids.iloc[0], UUID):
        own = {str(value): value for value in ids.unique()}
        titles = titles.set_axis(titles.index.astype("str"))
        known = titles.index.isin(list(own))
        return titles[known].rename(index=own) if known.any() else titles
    if integers == pd.api.types.is_integer_dtype(titles.index):
        return titles
    if not integers:
        return titles.set_axis(titles.index.astype("str"))
    numbers = titles.index.to_series().astype("str")
    canonical = numbers.str.fullmatch("0|-?[1-9][0-9]{0,17}").to_numpy()
    if not canonical.any():
        return titles
    return titles[canonical].set_axis(numbers[canonical].astype("int64").to_numpy())
