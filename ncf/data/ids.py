"""How ids are kept: integers, text and UUIDs, each given back with the type it had.

And how ids that a user gives are matched with them: how many are known, and what the others were probably meant to be.
"""

import difflib
import logging
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ncf.data import Ids
from ncf.errors import DataError, NCFError

IdKind: TypeAlias = Literal["int", "str", "uuid"]
KINDS: tuple[IdKind, ...] = get_args(IdKind)
LARGEST_FLOAT = 2.0**53  # beyond it a float no longer holds every whole number
LARGEST = 2**63 - 1
SHOWN = 3  # unknown ids, and known ones, in a message
MOST_COMPARED = 20_000  # known ids that are compared letter by letter, which takes some tenths of a second
MOST_SCANNED = 2_000_000  # known ids that are compared in their plain form, which takes some seconds

log = logging.getLogger(__name__)


def kind_of(ids: Ids) -> IdKind:
    """Which kind these ids are; no ids at all are text unless their dtype says integers.

    Raises:
        DataError: they are of another type, or of several.
    """
    if np.issubdtype(ids.dtype, np.integer):
        return "int"
    if pd.api.types.infer_dtype(ids, skipna=False) in ("string", "empty"):
        return "str"
    others = [value for value in ids if not isinstance(value, UUID)]
    if not others:
        return "uuid"
    raise DataError(
        f"ids of type {type(others[0]).__name__} can't be kept",
        got=others[0],
        allowed="integers of up to 64 bits, or text, or UUIDs, one type for all",
        do="convert the column of ids in the log",
    )


def id_bytes(ids: Ids) -> NDArray[Any]:
    """What a fingerprint sees of ids: an array whose dtype, shape and bytes differ wherever ids or their kind do."""
    match kind_of(ids):
        case "int":
            return ids.astype("<i8")
        case "uuid":
            return np.frombuffer(b"".join(value.bytes for value in ids), dtype="V16")
        case "str":
            encoded = [str(value).encode() for value in ids]
            text = b"".join(len(value).to_bytes(4, "little") + value for value in encoded)
            return np.frombuffer(text, dtype=np.uint8)


def encode_ids(ids: Ids) -> Ids:
    """Ids as a column of a Parquet file: UUIDs as their 16 bytes, others as they are."""
    return np.array([value.bytes for value in ids], dtype=object) if kind_of(ids) == "uuid" else ids


def decode_ids(column: "pd.Series[Any]", kind: object) -> Ids:
    """The ids that `encode_ids` made a column of.

    Args:
        column: as pandas reads it.
        kind: `kind_of` the ids when they were written.

    Raises:
        ValueError: the column has other values, or the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of ids {kind!r}, not one of {', '.join(KINDS)}")
    ids = column.to_numpy(copy=True)
    if kind == "uuid":
        ids = np.array([UUID(bytes=value) for value in ids], dtype=object)
    elif kind == "str":
        ids = ids.astype(object)
    try:
        fits = not len(ids) or kind_of(ids) == kind
    except DataError:
        fits = False
    if not fits:
        raise ValueError(f"the column {column.name} has no ids of kind {kind}, but {column.dtype}")
    return ids


def from_json(values: list[Any], kind: IdKind) -> list[Any]:
    """Ids that came through JSON, which writes UUIDs as text; what is no UUID stays as it is, an unknown id."""
    return [_uuid_or_same(value) for value in values] if kind == "uuid" else values


def to_json(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of ids with UUIDs as text, for JSON; others as they are."""
    if column.dtype != object:
        return column
    return column.map(lambda value: str(value) if isinstance(value, UUID) else value)


def _uuid_or_same(value: Any) -> Any:
    try:
        return UUID(value) if isinstance(value, str) else value
    except ValueError:
        return value


def as_ids(ids: "pd.Series[Any]") -> "pd.Series[Any]":
    """Ids in a form the rest of the house takes; integers that came as floats become integers again.

    What can't be an id is left as it came, for the checks to find. Integer, text and categorical columns are not
    copied.
    """
    if isinstance(ids.dtype, pd.CategoricalDtype):
        categories = pd.Series(ids.cat.categories)
        plain = as_ids(categories)
        if not np.all(are_ids(plain)):
            return ids.astype(object)  # so that the first odd row is found
        return ids if plain is categories else ids.cat.rename_categories(pd.Index(plain))
    if ids.dtype == object:
        ids = ids.infer_objects()
    if _is_extension_text(ids):
        return ids.astype("str")
    if types.is_float_dtype(ids.dtype) and not ids.hasnans and bool(_whole(ids).all()):
        return ids.astype("int64")
    if types.is_integer_dtype(ids.dtype) and not ids.hasnans and bool((ids <= LARGEST).all()):
        return ids if isinstance(ids.dtype, np.dtype) and ids.dtype != np.uint64 else ids.astype("int64")
    return ids


def are_ids(ids: "pd.Series[Any]") -> "pd.Series[bool] | bool":
    """bool[rows], or True for all: whether a value is an id of the kind of the first one; empty values pass."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return _by_category(are_ids(pd.Series(ids.cat.categories)), ids, missing=True)
    if types.is_integer_dtype(ids.dtype):
        return ids <= LARGEST if ids.dtype == np.uint64 else True
    if isinstance(ids.dtype, pd.StringDtype):
        return True
    if types.is_float_dtype(ids.dtype):
        return _whole(ids) | ids.isna()
    if ids.dtype != object:
        return pd.Series(False, index=ids.index)
    return _of_one_kind(ids)


def are_not_empty(ids: "pd.Series[Any]") -> "pd.Series[bool] | bool":
    """bool[rows], or True for all: whether there is an id, and not only white space."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return _by_category(are_not_empty(pd.Series(ids.cat.categories)), ids, missing=False)
    if isinstance(ids.dtype, np.dtype) and types.is_integer_dtype(ids.dtype):
        return True
    empty = ids.isna()
    if isinstance(ids.dtype, pd.StringDtype):
        empty |= (ids == "") | ids.str.isspace().astype(bool)
    elif ids.dtype == object:
        empty |= ids.map(lambda value: isinstance(value, str) and not value.strip())
    return ~empty


def _is_extension_text(ids: "pd.Series[Any]") -> bool:
    if isinstance(ids.dtype, pd.ArrowDtype):
        return ids.dtype.type is str or str(ids.dtype).startswith("dictionary<values=string")
    return isinstance(ids.dtype, pd.StringDtype) and ids.dtype.na_value is pd.NA  # not pandas' own str


def _of_one_kind(ids: "pd.Series[Any]") -> "pd.Series[bool]":
    kinds, known = ids.map(type), ids.notna()
    if not known.any():
        return ~known
    first = kinds[known].iloc[0]
    if not issubclass(first, UUID | str | int):
        return ~known
    too_large = ids.map(lambda value: isinstance(value, int) and abs(value) > LARGEST)
    return ~known | ((kinds == first) & ~too_large)


def _by_category(good: "pd.Series[bool] | bool", ids: "pd.Series[Any]", missing: bool) -> "pd.Series[bool] | bool":
    """What holds for the categories as what holds for the rows."""
    if isinstance(good, bool) and (missing or not ids.hasnans):
        return good
    of_category = np.full(len(ids.cat.categories), good) if isinstance(good, bool) else good.to_numpy(bool)
    return pd.Series(np.append(of_category, missing)[ids.cat.codes.to_numpy()], index=ids.index)


def _whole(numbers: "pd.Series[float]") -> "pd.Series[bool]":
    return ((numbers == np.floor(numbers)) & (numbers.abs() < LARGEST_FLOAT)).fillna(False).astype(bool)


class KnownIds:
    """Ids that a user gives, matched with those of a model or a log.

    Args:
        given: ids of any type; what is not equal to a known id is unknown, whatever it looks like.
        known: the ids that can match, without repetitions.
        of: where these are from, for messages.
    """

    def __init__(self, given: Ids | Iterable[Any], known: Ids, of: str = "the model") -> None:
        self.given: pd.Index[Any] = pd.Index(given).unique()
        self.known, self.of = known, of
        plain = self.given.astype(object) if isinstance(self.given.dtype, pd.StringDtype) else self.given
        self.is_known: NDArray[np.bool_] = plain.isin(known)  # text as Arrow has it takes no UUIDs

    @property
    def enough(self) -> bool:
        """Whether at least half of the ids are known, and one at least."""
        return 0 < len(self.given) <= 2 * int(self.is_known.sum())

    @property
    def unknown(self) -> list[Any]:
        """The first unknown ids, as plain Python values; at most three."""
        return _first(self.given[~self.is_known])

    def counted(self) -> str:
        """How many are known, in words."""
        return f"{self.of} knows {int(self.is_known.sum()):,} of {len(self.given):,} ids"

    def examples(self) -> str:
        """Three known ids, as Python writes them."""
        return ", ".join(map(repr, _first(self.known)))

    def nearest(self, value: Any) -> Any | None:
        """The known id that a value was probably meant to be, or None.

        That is one which differs only in blanks and quotes around it, in upper and lower case, in leading zeros or in
        the `.0` of a spreadsheet; else the most similar one, in a catalogue that is small enough to be compared.
        """
        if len(self.known) > MOST_SCANNED:
            return None
        same = self._by_plain_form.get(plain_form(value))
        if same is not None or len(self.known) > MOST_COMPARED:
            return same
        texts = {str(one): one for one in _plain_values(self.known)}
        near = difflib.get_close_matches(str(value), texts, n=1, cutoff=0.75)
        return texts[near[0]] if near else None

    @cached_property
    def _by_plain_form(self) -> dict[str, Any]:
        return {plain_form(one): one for one in reversed(_plain_values(self.known))}

    def hints(self) -> str:
        """The nearest known ids of the unknown ones that are shown, in words; empty if none has any."""
        found = [(value, self.nearest(value)) for value in self.unknown]
        return ", ".join(f"{near!r} for {value!r}" for value, near in found if near is not None)

    def check(self, name: str, error: type[NCFError], *, allow: bool, switch: str, check: str = "") -> None:
        """Log how many are known; refuse a list of which fewer than half, or none, are.

        Args:
            name: what the user gave, in words.
            error: what to raise.
            allow: take such a list all the same.
            switch: what allows it; empty if nothing does.
            check: what else may be wrong, in words.

        Raises:
            NCFError: of the type `error`.
        """
        hints = self.hints()
        nearest = f"the nearest known ids are {hints}" if hints else ""
        if self.enough or allow:
            if self.is_known.all():
                log.info("%s: %s", name, self.counted())
                return
            shown = ", ".join(map(repr, self.unknown))
            log.warning("%s: %s; unknown: %s%s", name, self.counted(), shown, f" ({nearest})" if nearest else "")
            return
        raise error(
            f"{name}: {self.counted()}; unknown are",
            got=self.unknown,
            allowed=f"at least half of the list; known ids are {self.examples()}",
            do="; ".join(filter(None, (nearest, check, f"to take the list as it is: {switch}" if switch else ""))),
        )


def plain_form(value: Any) -> str:
    """What a value is without the ways in which spreadsheets, exports and people change ids."""
    text = unicodedata.normalize("NFKC", str(value)).casefold()
    text = re.sub(r"^\W+|\W+$", "", text) or text
    text = re.sub(r"(?<=[0-9])[.,]0+$", "", text)
    return re.sub(r"^0+(?=[0-9])", "", text)


def _first(ids: Any) -> list[Any]:
    return _plain_values(ids[:SHOWN])


def _plain_values(ids: Any) -> list[Any]:
    """Python's own integers and text, as a user writes them; UUIDs as text."""
    return [str(value) if isinstance(value, UUID) else value for value in pd.Index(ids).tolist()]
