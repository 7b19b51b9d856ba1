"""Which column of a table is the user, the item, the rating, the time or the title."""

import difflib
import re
from collections.abc import Sequence

from ncf.data.columns import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.ingest.config import ColumnName, Columns

SPELLINGS = {  # small letters and digits only
    USER_ID: ("userid", "user", "uid", "userno", "customerid", "customer", "visitorid", "memberid", "accountid"),
    ITEM_ID: (
        *("itemid", "item", "iid", "itemno", "movieid", "movie", "productid", "product", "bookid", "trackid"),
        *("songid", "artistid", "articleid", "parentasin", "asin"),
    ),
    RATING: ("rating", "ratings", "stars", "score"),
    TIMESTAMP: ("timestamp", "time", "datetime", "ts", "date", "unixtime", "unixreviewtime", "createdat", "eventtime"),
    TITLE: ("title", "name", "movietitle", "itemname", "itemtitle"),
}
SETTINGS = {USER_ID: "columns.user", ITEM_ID: "columns.item", RATING: "columns.rating", TIMESTAMP: "columns.timestamp"}


def by_role(columns: Columns) -> dict[str, ColumnName | None]:
    """Our columns -> what the settings call them."""
    return {USER_ID: columns.user, ITEM_ID: columns.item, RATING: columns.rating, TIMESTAMP: columns.timestamp}


def is_place(column: ColumnName | None) -> bool:
    """Whether a column is given by its place: an integer, or digits, as a command line gives them."""
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
    """The place of each wanted column.

    A name must be there as it is. Only where nothing but the usual name is asked for (user_id, ...; or None, for a
    column that may be absent) a known other spelling does, if just one column has one.

    Args:
        names: of the columns, in their order.
        wanted: role -> name or place.
        where: the file, for errors.
        settings: role -> the setting that names it, for errors.
        header: whether the columns have names at all.

    Raises:
        DataError: a column is missing, or could be any of several.
    """
    stripped = [name.strip() for name in names]
    found: dict[str, int] = {}
    for role, column in wanted.items():
        place = _place(stripped, role, column, where, settings.get(role, role), header)
        if place is not None:
            _refuse_twice(found, role, place, where, stripped)
            found[role] = place
    return found


def _place(
    names: list[str], role: str, column: ColumnName | None, where: object, setting: str, header: bool
) -> int | None:
    name = role if column is None else column
    exact = [place for place, other in enumerate(names) if other == name] if header else []
    if len(exact) == 1:
        return exact[0]
    if exact:
        do = f"rename one, or set {setting} to a place, such as {exact[0]}"
        raise DataError(f"{where} has {len(exact)} columns of one name", got=name, do=do)
    if column is not None and is_place(column):
        return _checked_place(int(column), names, where, setting)
    others = [place for place, other in enumerate(names) if name == role and header and looks_named(other, role)]
    if len(others) == 1:
        return others[0]
    if others:
        do = f"set {setting} to the right one"
        raise DataError(f"{where} has several columns that may be {role}", got=[names[o] for o in others], do=do)
    if column is None:
        return None
    raise _missing(names, str(name), where, setting, header)


def _checked_place(place: int, names: list[str], where: object, setting: str) -> int:
    if place < len(names):
        return place
    raise DataError(
        f"{where} has no column at the place that {setting} says",
        got=place,
        allowed=f"0 to {len(names) - 1}",
        do="count from 0, or check the separator",
    )


def _missing(names: list[str], name: str, where: object, setting: str, header: bool) -> DataError:
    if not header:
        do = f"set {setting} to a place, counted from 0"
        return DataError(f"{where} has no names of columns, but one is asked for", got=name, do=do)
    near = difflib.get_close_matches(_plain(name), [_plain(other) for other in names], n=1)
    do = f"set {setting} to a name or a place"
    if near:
        do = f"did you mean {next(other for other in names if _plain(other) == near[0])!r}? {do}"
    elif any(re.fullmatch(r"-?[0-9.]+", other) for other in names):
        do = f"the first line looks like data: if so, set header to false and {setting} to a place, counted from 0"
    return DataError(f"{where} has no column {name}; it has", got=names, do=do)


def _refuse_twice(found: dict[str, int], role: str, place: int, where: object, names: list[str]) -> None:
    if place in found.values():
        first = next(other for other, at in found.items() if at == place)
        raise DataError(
            f"{where}: one column can't be both {first} and {role}", got=names[place], do="name two columns"
        )


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
