"""The items' titles, from a file of their own."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa

from ncf.data.ratings import ITEM_ID, TITLE
from ncf.data.sources.config import ColumnName, FileSource
from ncf.data.sources.ids import IdColumn
from ncf.data.sources.naming import is_place
from ncf.data.sources.open_table import Table, open_table

SETTINGS = {ITEM_ID: "titles_item", TITLE: "titles_title"}


def open_titles(source: FileSource) -> Table | None:
    """The titles' file, if there is one; its columns are called as those of the log are, unless they are set."""
    if source.titles_path is None:
        return None
    named = not (is_place(source.titles_item) and is_place(source.titles_title))
    own = source.model_copy(update={"format": "auto", "header": True if named else source.header})
    item = source.columns.item

    def wanted(names: Sequence[str]) -> dict[str, ColumnName | None]:
        as_in_log = source.titles_item not in names and item in names
        return {ITEM_ID: item if as_in_log else source.titles_item, TITLE: source.titles_title}

    return open_table(source.titles_path, own, wanted, SETTINGS)


def read_titles(table: Table) -> "pd.Series[str]":
    """Item id, integer or text as the file has it, -> title; the first of several, and none that is empty."""
    ids = IdColumn()
    texts: list[Any] = []
    for file in table.files:
        for block in table.blocks(file):
            ids.add(block[ITEM_ID], text=table.typed)
            texts.append(block[TITLE])
    titles = pd.Series(pa.chunked_array(texts, pa.string()).to_pandas().to_numpy(dtype=object), index=ids.take())
    titles = titles[titles.notna() & (titles != "")]
    return titles[~titles.index.duplicated()].astype("str")


def titles_of(titles: "pd.Series[str]", ids: "pd.Series[Any]") -> "pd.Series[str]":
    """The titles with ids of the log's type; an id that can't be one of the log's is left out."""
    integers = pd.api.types.is_integer_dtype(ids)
    if not integers and isinstance(ids.iloc[0], UUID):
        own = {str(value): value for value in ids.unique()}
        titles = titles.set_axis(titles.index.astype("str"))
        return titles[titles.index.isin(list(own))].rename(index=own)
    if integers == pd.api.types.is_integer_dtype(titles.index):
        return titles
    if not integers:
        return titles.set_axis(titles.index.astype("str"))
    numbers = titles.index.to_series().astype("str")
    canonical = numbers.str.fullmatch("0|-?[1-9][0-9]{0,17}").to_numpy()
    return titles[canonical].set_axis(numbers[canonical].astype("int64").to_numpy())
