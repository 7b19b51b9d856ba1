"""The columns of a log: which one is the user, the item, ..., and whether its ids are integers or text."""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa

from ncf.data import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.data.config import Where
from ncf.errors import DataError
from ncf.ingest.config import ColumnName, Columns

Wanted: TypeAlias = Callable[[Sequence[str]], dict[str, ColumnName | None]]  # names of the columns -> role -> column

SPELLINGS = {  # small letters and digits only
    USER_ID: (
        *("userid", "user", "uid", "userno", "customerid", "customer", "visitorid", "memberid", "accountid"),
        "reviewerid",
    ),
    ITEM_ID: (
        *("itemid", "item", "iid", "itemno", "movieid", "movie", "productid", "product", "bookid", "trackid"),
        *("songid", "artistid", "articleid", "parentasin", "asin", "businessid", "gmapid", "videoid"),
    ),
    RATING: ("rating", "ratings", "stars", "score", "overall"),
    TIMESTAMP: ("timestamp", "time", "datetime", "ts", "date", "unixtime", "unixreviewtime", "createdat", "eventtime"),
    TITLE: ("title", "name", "movietitle", "itemname", "itemtitle"),
}
GIVES_WAY = {"asin": "parentasin"}  # a spelling, and one that is meant where both are there
FILTER = "where."  # before a column's name: the role of a column by which rows are taken
SETTINGS = {USER_ID: "columns.user", ITEM_ID: "columns.item", RATING: "columns.rating", TIMESTAMP: "columns.timestamp"}


def by_role(columns: Columns) -> dict[str, ColumnName | None]:
    """Our columns -> what the settings call them."""
    return {USER_ID: columns.user, ITEM_ID: columns.item, RATING: columns.rating, TIMESTAMP: columns.timestamp}


def with_filters(columns: Columns, where: Where) -> dict[str, ColumnName | None]:
    """As `by_role`, with the columns of `where`; without that of the ratings, if `where` gives them."""
    roles = by_role(columns) | {FILTER + column: column for column in where}
    if any(isinstance(values, dict) for values in where.values()):
        roles.pop(RATING)
    return roles


def is_position(column: ColumnName | None) -> bool:
    """Whether a column is given by its position: an integer, or digits, as a command line gives them."""
    return isinstance(column, int) or (column is not None and re.fullmatch("[0-9]+", column) is not None)


def looks_named(cell: str, role: str) -> bool:
    """Whether a cell is one of the known spellings of a column's name."""
    return _plain(cell) in SPELLINGS[role]


def find_columns(
    names: Sequence[str],
    wanted: dict[str, ColumnName | None],
    where: object,
    settings: dict[str, str] = SETTINGS,
    *,
    header: bool = True,
) -> dict[str, int]:
    """The index of each wanted column.

    A name must be there as it is. Only where nothing but the usual name is asked for (user_id, ...; or None, for a
    column that may be absent) a known other spelling does, if just one column has one.

    Args:
        names: of the columns, in their order.
        wanted: role -> name or position.
        where: the file, for errors.
        settings: role -> the setting that names it, for errors.
        header: whether the columns have names at all.

    Raises:
        DataError: a column is missing, or could be any of several.
    """
    stripped = [name.strip() for name in names]
    found: dict[str, int] = {}
    for role, column in wanted.items():
        setting = "the column in where" if role.startswith(FILTER) else settings.get(role, role)
        index = _find_column(stripped, role, column, where, setting, header)
        if index is None:
            continue
        for other, taken in found.items():
            if index == taken and not role.startswith(FILTER):
                got, do = stripped[index], "name two columns"
                raise DataError(f"{where}: one column can't be both {other} and {role}", got=got, do=do)
        found[role] = index
    return found


def guessed_roles(names: dict[str, str], wanted: dict[str, ColumnName | None]) -> frozenset[str]:
    """The roles whose column was found by a known spelling of its name, and was not asked for by that name."""
    asked = {role: role if column is None else column for role, column in wanted.items()}
    return frozenset(role for role, name in names.items() if not is_position(asked[role]) and name != asked[role])


def _find_column(
    names: list[str], role: str, column: ColumnName | None, where: object, setting: str, header: bool
) -> int | None:
    name = role if column is None else column
    exact = [index for index, other in enumerate(names) if other == name] if header else []
    if len(exact) == 1:
        return exact[0]
    if exact:
        do = f"rename one, or set {setting} to a position, such as {exact[0]}"
        raise DataError(f"{where} has {len(exact)} columns of one name", got=name, do=do)
    if column is not None and is_position(column):
        return _checked_index(int(column), names, where, setting)
    others = [index for index, other in enumerate(names) if name == role and header and looks_named(other, role)]
    plain = {_plain(names[other]) for other in others}
    others = [other for other in others if GIVES_WAY.get(_plain(names[other])) not in plain]
    if len(others) == 1:
        return others[0]
    if others:
        do = f"set {setting} to the right one"
        raise DataError(f"{where} has several columns that may be {role}", got=[names[o] for o in others], do=do)
    if column is None:
        return None
    raise _missing(names, str(name), where, setting, header)


def _checked_index(index: int, names: list[str], where: object, setting: str) -> int:
    if index < len(names):
        return index
    raise DataError(
        f"{where} has no column at the position that {setting} gives",
        got=index,
        allowed=f"0 to {len(names) - 1}",
        do="count from 0, or check the separator",
    )


def _missing(names: list[str], name: str, where: object, setting: str, header: bool) -> DataError:
    if not header:
        do = f"set {setting} to a position, counted from 0"
        return DataError(f"{where} has no names of columns, but one is asked for", got=name, do=do)
    near = difflib.get_close_matches(_plain(name), [_plain(other) for other in names], n=1)
    do = f"set {setting} to a name or a position"
    if near:
        do = f"did you mean {next(other for other in names if _plain(other) == near[0])!r}? {do}"
    elif any(re.fullmatch(r"-?[0-9.]+", other) for other in names):
        do = f"the first line looks like data: if so, set header to false and {setting} to a position, counted from 0"
    return DataError(f"{where} has no column {name}; it has", got=names, do=do)


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


class IdColumn:
    """Ids of a text column are integers if every one is written as an integer is: no leading zero, sign +, or space.

    One other makes all of them text, as they stood there: what was taken for integers so far is written back exactly.
    """

    def __init__(self) -> None:
        self._blocks: list[Any] = []
        self._text = False

    def add(self, block: Any, *, text: bool = False) -> None:
        """Take one Arrow array of integers or strings, without nulls; strings that are `text` are never integers."""
        integers = block if pa.types.is_integer(block.type) else None if text else integers_of(block)
        if integers is None and not self._text:
            self._text = True
            self._blocks = [earlier.cast(pa.string()) for earlier in self._blocks]
        self._blocks.append(block.cast(pa.string()) if self._text else integers)

    def take(self) -> "pd.Series[Any]":
        """All of them, int64 or str; the column is empty afterwards."""
        values = pa.chunked_array(self._blocks, pa.string() if self._text else pa.int64())
        self._blocks = []
        return pd.Series(values.to_pandas() if self._text else values.to_numpy())


def integers_of(text: Any) -> Any | None:
    """int64 Arrow array of an array of strings without nulls, if each is the way its integer is written; else None."""
    try:
        integers = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return integers if integers.cast(text.type).equals(text) else None  # "007", "-0" and "0x1f" are not


def as_uuids(text: "pd.Series[str]") -> "pd.Series[Any]":
    """A column of UUIDs written as text, as uuid.UUID; a categorical, so that each is made once."""
    codes, written = pd.factorize(text)
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index([UUID(value) for value in written], dtype=object)))


def refuse_lists(
    where: object, role: str, index: int, records: Sequence[tuple[int, list[str]]], separator: str
) -> None:
    """Refuse a column whose cells have lists of ids in place of ids, as far as the first rows show it.

    Raises:
        DataError: most cells are lists; with the line of one, and how to write a row for each id.
    """
    values = {line: cells[index] for line, cells in records if index < len(cells)}
    if (divider := _divider(list(values.values()))) is None:
        return
    line = next(line for line, value in values.items() if divider in value)
    each = rf"""[^][()'"\s{divider.strip()}]+"""
    do = (
        f"write such rows with pandas: frame = pandas.read_csv({str(where)!r}, sep={separator!r}, header=None, "
        f"dtype=str).dropna(subset=[{index}]); frame[{index}] = frame[{index}].str.findall({each!r}); "
        f"frame.explode({index}).to_csv('log.csv', index=False, header=False)"
    )
    if role == ITEM_ID and not re.search(r"[][()]", values[line]):
        do = f"set item_separator to {divider!r}, if each is an item of its own"
    raise DataError(
        f"{where}, line {line} has a list of ids in one cell, not one {role}",
        got=values[line][:100],
        allowed="a row for each id, as MIND's behaviors.tsv and playlists do not have it",
        do=do,
    )


def _divider(values: Sequence[str]) -> str | None:
    """What divides cells into ids, if most have several, all made alike, such as N1 N23; or numbers, if not two."""
    for divider in (",", "|", ";", " "):
        cells = [re.split(rf"{re.escape(divider)} ?", value.strip("[]()")) for value in values if value]
        makes = {re.sub("[0-9]+", "9", part.strip("'\"")) for cell in cells for part in cell}
        several = 2 * sum(len(cell) > 1 for cell in cells) > len(cells)
        if several and all(re.fullmatch(r"\[.*\]", value) for value in values):
            return divider
        if several and len(makes) == 1 and "9" in min(makes) and (makes != {"9"} or {*map(len, cells)} != {2}):
            return divider
    return None


def whole_numbers(block: Any) -> tuple[Any, int | None]:
    """int64 of an Arrow array of floats, which pandas makes of integers when one is missing; or the first that is none.

    One that is not whole, or too large to be exact, is none.
    """
    numbers = block.to_numpy(zero_copy_only=False)
    bad = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53))
    return (None, int(np.flatnonzero(bad)[0])) if bad.any() else (pa.array(numbers.astype(np.int64)), None)
