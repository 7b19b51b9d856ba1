"""Ids as they are written: rules that bring spellings together, words that are no ids, one id written in two ways.

All is done on the ids that differ, never row by row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api import types

from ncf.data.config import IdRules
from ncf.data.faults import Fault, Locate

# How programs write an empty value, as they spell it: Nan and Na are names of people.
NULL_WORDS = (
    *("NULL", "Null", "null", "(null)", "<null>", "[null]", "None", "none", "NONE", "NaN", "nan", "NAN", "-nan"),
    *("-NaN", "NaT", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "\\N", "nil", "<nil>", "undefined"),
)
DOUBTFUL = ("-", "--", "?", "unknown", "anonymous", "guest", "n.a.", "none given", "missing", "empty", "(not set)")
COLUMN_NAME = r"(?i)^(user|item|customer|visitor|member|account|movie|product|book|track|song|artist|article)[ _-]?id$"
AROUND = r"^[\s\pZ\p{Cc}\p{Cf}]+|[\s\pZ\p{Cc}\p{Cf}]+$"  # a byte order mark and a zero-width space are of these
INTEGER = r"^(0|-?[1-9][0-9]*)(\.0+)?$"
NUMBER = r"^(-?)0*([0-9]+)(\.0+)?$"
SHOWN = 3

Form = Callable[[Any], Any]


def _stripped(ids: Any) -> Any:
    return pc.replace_substring_regex(ids, AROUND, "")


def _composed(ids: Any) -> Any:
    if pc.all(pc.string_is_ascii(ids)).as_py():
        return ids
    return pa.array(ids.to_pandas().astype("str").str.normalize("NFC"), ids.type)  # Arrow 25 decomposes, asked for NFC


FORMS: tuple[tuple[str, Form, str], ...] = (
    ("strip", _stripped, "blanks or invisible characters around them"),
    ("nfc", _composed, "how accents are put together (Unicode NFC, NFD)"),
    ("lower", pc.utf8_lower, "upper and lower case"),
    ("", lambda ids: pc.replace_substring_regex(ids, NUMBER, r"\1\2"), "leading zeros or a .0"),
)


@dataclass(frozen=True)
class WrittenIds:
    """A column of text ids as the log has them.

    Attributes:
        ids: the column.
        codes: int32[rows], -1 where there is none.
        written: Arrow array of the ids that differ, as they are written; position = code.
        plain: the same after the rules; some may be alike.
        integers: int64 Arrow array of `plain`, if they have no type of their own and all are written as integers are,
            or as whole numbers (1.0); else None.
        counts: int64[rows], how many rows of the log each stands for; None: one.
    """

    ids: "pd.Series[Any]"
    codes: NDArray[np.int32]
    written: Any
    plain: Any
    integers: Any | None
    counts: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, ids: "pd.Series[Any]", rules: IdRules, *, untyped: bool) -> Self:
        """Find the ids that differ, and apply the rules to them."""
        if isinstance(ids.dtype, pd.CategoricalDtype):
            used = ids.cat.remove_unused_categories().cat
            codes, written = used.codes.to_numpy(), pa.array(used.categories, pa.string())
        else:
            found = pa.chunked_array(pa.array(ids)).dictionary_encode().combine_chunks()
            codes, written = found.indices.fill_null(-1).to_numpy(), found.dictionary
        plain = written
        for setting, form, _ in FORMS:
            if setting and getattr(rules, setting):
                plain = form(plain)
        return cls(ids, codes.astype(np.int32, copy=False), written, plain, _whole_numbers(plain) if untyped else None)

    def settled(self) -> "pd.Series[Any]":
        """The column after the rules, as integers if it can be."""
        if self.integers is not None:
            return pd.Series(self.integers.to_numpy()[self.codes], self.ids.index)
        if self.plain is self.written or self.plain.equals(self.written):
            return self.ids
        codes = pa.array(self.codes, mask=self.codes < 0)
        return pd.Series(self.plain.take(codes).to_pandas().to_numpy(), self.ids.index, dtype="str")

    def rows(self, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The rows of the marked ids: bool[ids that differ] -> int64[...]."""
        return np.flatnonzero(np.append(marked, False)[self.codes])

    def number(self, rows: NDArray[np.int64] | slice) -> int:
        """How many rows of the log these are."""
        return len(self.codes[rows]) if self.counts is None else int(self.counts[rows].sum())

    def faults(self, name: str | None, *, words: bool) -> list[Fault]:
        """The ids that are no ids: nothing that can be seen, words for nothing, and the names of columns.

        Args:
            name: what the log calls the column; None if its columns have no names.
            words: whether words can be at fault.
        """
        bare = _stripped(self.plain)
        blank = pc.or_(pc.utf8_is_space(self.written), pc.equal(self.written, ""))  # which is found elsewhere
        invisible = self._fault(pc.and_not(pc.equal(bare, ""), blank), "an id with something that can be seen")
        if not words:
            return invisible
        nulls = pc.is_in(bare, pa.array(NULL_WORDS, bare.type))
        named = pc.match_substring_regex(bare, COLUMN_NAME)
        if name:
            named = pc.or_(named, pc.equal(bare, name))
        keep = "; or set ids.null_words to keep, if these are ids"
        return [
            *invisible,
            *self._fault(nulls, "an id; this word says that there is none", keep),
            *self._fault(named, "an id; this is the name of a column, as a second header has it", keep),
        ]

    def _fault(self, marked: Any, allowed: str, otherwise: str = "") -> list[Fault]:
        rows = self.rows(np.asarray(marked))
        if not len(rows):
            return []
        words, number = self.written.filter(marked).to_pylist()[:SHOWN], self.number(rows)
        do = f"remove or fix {'this row' if number == 1 else f'these {number:,} rows'}"
        do += f", of {', '.join(map(repr, words))}" if len(words) > 1 else ""
        do += otherwise
        first, *more = rows[:SHOWN].tolist()
        value = self.ids.iloc[first]
        return [Fault(str(self.ids.name), first, value, allowed, number, do, tuple(more))]

    def notes(self, rules: IdRules, locate: Locate, *, untyped: bool) -> list[str]:
        """What is odd in the ids, or was changed, in words."""
        column = str(self.ids.name)
        notes = self._changed(column, rules)
        if self.integers is not None:
            dotted = self.rows(np.asarray(pc.not_equal(self.plain, self.integers.cast(self.plain.type))))
            if len(dotted):
                shown = f"{self.ids.iloc[dotted[0]]!r} in {locate(int(dotted[0]))}"
                notes.append(f"{column}: whole numbers such as {shown} are integers ({self.number(dotted):,} rows)")
            return notes
        notes += [*(self._why_text(column, locate) if untyped else []), *_alike(column, self.plain)]
        doubtful = self.rows(np.asarray(pc.is_in(pc.utf8_lower(self.plain), pa.array(DOUBTFUL, self.plain.type))))
        if len(doubtful):
            shown = f"{self.ids.iloc[doubtful[0]]!r} in {locate(int(doubtful[0]))}"
            notes.append(f"{column}: rows with an id that may stand for none: {self.number(doubtful):,}, as {shown}")
        return notes

    def _why_text(self, column: str, locate: Locate) -> list[str]:
        """Why ids of which most are integers are text; nothing if most are not."""
        other = ~np.asarray(pc.match_substring_regex(self.plain, INTEGER))
        if 2 * np.count_nonzero(other) >= len(other):
            return []
        rows = self.rows(other)
        if not len(rows):
            return [f"{column}: the ids are text because one is beyond 64 bits"]
        shown = f"{self.ids.iloc[rows[0]]!r} in {locate(int(rows[0]))}"
        other_rows, all_rows = self.number(rows), self.number(slice(None))
        return [f"{column}: the ids are text because of {shown}; {other_rows:,} of {all_rows:,} rows are so"]

    def _changed(self, column: str, rules: IdRules) -> list[str]:
        changed = int(pc.sum(pc.not_equal(self.plain, self.written)).as_py() or 0)
        if not changed:
            return []
        used = ", ".join(f"ids.{setting}" for setting, _, _ in FORMS if setting and getattr(rules, setting))
        before, after = len(self.written), pc.count_distinct(self.plain).as_py()
        return [f"{column}: {used} changed {changed:,} of {before:,} ids; {after:,} are left"]


def _whole_numbers(text: Any) -> Any | None:
    """int64 of strings of which all are written as integers or as 1.0 is; else None."""
    if not pc.all(pc.match_substring_regex(text, INTEGER)).as_py():
        return None
    try:
        return pc.replace_substring_regex(text, r"\.0+$", "").cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 64 bits
        return None


def _alike(column: str, ids: Any) -> list[str]:
    """Which ids, of those that differ, are the same but for the way in which they are written."""
    notes = []
    forms = first = pc.unique(ids)  # first: of each form, an id that has it
    for setting, form, difference in FORMS:
        formed = form(forms)
        codes = formed.dictionary_encode().indices.to_numpy()
        places = np.unique(codes, return_index=True)[1]
        do = f"set ids.{setting} to true to take them as one" if setting else "write them in one way"
        if joined := len(codes) - len(places):
            twin = int(np.flatnonzero(~np.isin(np.arange(len(codes)), places))[0])
            pair = f"{first[int(places[codes[twin]])].as_py()!r} and {first[twin].as_py()!r}"
            notes.append(f"{column}: ids that differ from another only in {difference}: {joined:,}, as {pair}; {do}")
        elif setting == "strip" and len(padded := first.filter(pc.not_equal(formed, forms))):
            shown = f"ids with {difference}: {len(padded):,}, as {padded[0].as_py()!r}"
            notes.append(f"{column}: {shown}; set ids.strip to true to take them off")
        forms, first = formed.take(pa.array(places)), first.take(pa.array(places))
    return notes


def is_text(ids: "pd.Series[Any]") -> bool:
    """Whether a column, as `as_ids` leaves it, has ids that are text."""
    dtype = ids.cat.categories.dtype if isinstance(ids.dtype, pd.CategoricalDtype) else ids.dtype
    return isinstance(dtype, pd.StringDtype)


def settled_ids(ids: "pd.Series[Any]", rules: IdRules, *, untyped: bool) -> "pd.Series[Any]":
    """Ids after the rules; text that has no type of its own is integers, if all of it can be."""
    return WrittenIds.of(ids, rules, untyped=untyped).settled() if is_text(ids) else ids


def odd_integer(ids: "pd.Series[Any]", locate: Locate) -> list[str]:
    """Tell of -1 where no other id is below 0: programs write it for none."""
    if not types.is_integer_dtype(ids.dtype) or not len(ids) or ids.min() != -1:
        return []
    rows = np.flatnonzero(ids == -1)
    return [f"{ids.name}: rows with an id that may stand for none: {len(rows):,}, as -1 in {locate(int(rows[0]))}"]
