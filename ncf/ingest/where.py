"""The rows that `where` takes: those whose columns have certain values, perhaps with a rating for each."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ncf.data import RATING
from ncf.data.config import Where, plain_value
from ncf.data.ratings import Tally
from ncf.errors import DataError
from ncf.ingest.columns import FILTER

SHOWN = 10
MOST_SEEN = 10_000  # values of a column that are remembered
MOST_KINDS = 10  # of events; more are something else
FIRST_ROWS = 1_000  # that tell of kinds of events
EVENTS = re.compile(r"(?i)(event|action|behaviou?r|interaction|activity)s?[_ ]?(type|name|kind)?|type|kind|verb")


class RowFilter:
    """Takes rows, and remembers what it saw.

    Attributes:
        columns: those that are looked at.
        left_out: rows that were left out, by the first column that did so.
        masks: bool[rows of a block] of each block: whether a row was taken.
        kinds: what is to be said of columns of a database that look like kinds of events.
        given: role -> Arrow scalar, for columns of which a file has one value that is not in it.
    """

    def __init__(self, where: Where) -> None:
        self.columns = tuple(where)
        self._wanted = {column: self._ratings(values) for column, values in where.items()}
        self._weighted = next((column for column, values in where.items() if isinstance(values, dict)), None)
        self._seen: dict[str, Counter[str]] = {column: Counter() for column in where}
        self.left_out: Counter[str] = Counter()
        self.masks: list[NDArray[np.bool_]] = []
        self.given: dict[str, Any] = {}
        self.kinds: list[str] = []

    @staticmethod
    def _ratings(values: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
        return dict(values) if isinstance(values, Mapping) else dict.fromkeys(values, 1.0)

    def wanted(self, column: str) -> frozenset[str]:
        """The values that are taken, as `plain_value` writes them."""
        return frozenset(self._wanted[column])

    @property
    def unrated(self) -> list[str]:
        """The columns whose values have no ratings."""
        return [column for column in self.columns if column != self._weighted]

    def ratings(self, column: str, values: "pd.Series[Any]") -> "pd.Series[float]":
        """The ratings of rows that are taken, by the values of the column that has some."""
        return values.map(lambda value: self._wanted[column][plain_value(value)]).astype("float64")

    def see(self, column: str, values: Sequence[Any], counts: Sequence[int]) -> NDArray[np.bool_]:
        """Count values of a column, each there once. Returns bool[values]: whether they are taken."""
        plain = [plain_value(value) for value in values]
        seen = self._seen[column]
        for value, count in zip(plain, counts, strict=True):
            if count and (value in seen or len(seen) < MOST_SEEN or value in self._wanted[column]):
                seen[value] += int(count)
        return np.array([value in self._wanted[column] for value in plain], dtype=bool)

    def take(self, columns: Mapping[str, Any]) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
        """Look at a block of rows.

        Args:
            columns: the Arrow array of each of the columns.

        Returns:
            bool[rows]: whether a row is taken; float64[rows taken]: their ratings, if the settings have some.
        """
        kept = np.array([True])  # as long as a block, after the first column
        ratings = None
        for column in self.columns:
            values, codes = _coded(columns[column])
            taken = self.see(column, values, np.bincount(codes, minlength=len(values)).tolist())[codes]
            self.left_out[column] += int(np.count_nonzero(kept & ~taken))
            kept = kept & taken
            if column == self._weighted:
                wanted = self._wanted[column]
                ratings = np.array([wanted.get(plain_value(value), 0.0) for value in values])[codes]
        self.masks.append(kept)
        return kept, None if ratings is None else ratings[kept]

    def block(self, block: dict[str, Any]) -> dict[str, Any]:
        """The rows of a block of Arrow arrays, by role, that are taken; without the columns of the filter."""
        if not self.columns:
            return block
        rows = len(next(iter(block.values())))
        given = {role: pa.repeat(value, rows) for role, value in self.given.items()}
        kept, ratings = self.take({column: (block | given)[FILTER + column] for column in self.columns})
        taken = {role: values.filter(pa.array(kept)) for role, values in block.items() if not role.startswith(FILTER)}
        return taken if ratings is None else taken | {RATING: pa.array(ratings)}

    def told(self, tally: Tally) -> Tally:
        """The tally with the rows that were left out, and the values that no row has."""
        left_out = sum(self.left_out.values())
        tally = replace(tally, rows_read=tally.rows_read + left_out)
        for note in self.kinds:
            tally = tally.note(note)
        for column in self.columns:
            tally = tally.drop(f"where: {column} is not {' or '.join(self._wanted[column])}", self.left_out[column])
            for value in self._wanted[column]:
                if value not in self._seen[column]:
                    shown = self._nearest(column, value)
                    tally = tally.note(f"where: no row has the {column} {value!r}; there are {shown}")
        return tally

    def frame(self, frame: pd.DataFrame, indices: Mapping[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
        """The rows of a frame that are taken, and their ratings, if the settings have some.

        Args:
            frame: the log.
            indices: the role of a column -> its place.

        Raises:
            DataError: no row is taken.
        """
        if not self.columns:
            return frame, {}
        kept, ratings = self.take({column: frame.iloc[:, indices[FILTER + column]] for column in self.columns})
        if self.seen_any and not kept.any():
            raise self.refusal("the DataFrame")
        return frame[kept], {} if ratings is None else {RATING: ratings}

    def of_groups(self, column: str, groups: Mapping[Any, int]) -> tuple[list[Any], int]:
        """Look at the values of a database's column, each with its rows; those that are taken, and their rows."""
        taken = self.see(column, list(groups), list(groups.values()))
        values = [value for value, is_taken in zip(groups, taken, strict=True) if is_taken]
        rows = sum(groups[value] for value in values)
        self.left_out[column] += sum(groups.values()) - rows
        return values, rows

    @property
    def seen_any(self) -> bool:
        """Whether there were rows at all, for a filter."""
        return any(self.left_out.values())

    def refusal(self, source: object) -> DataError:
        """That no row was taken."""
        column = max(self.columns, key=lambda column: self.left_out[column])
        wanted = list(self._wanted[column])
        return DataError(
            f"where takes no row of {source}: none has the {column}",
            got=", ".join(wanted),
            allowed=self._nearest(column, wanted[0]),
            do="take values that are there",
        )

    def _nearest(self, column: str, value: str) -> str:
        """The values that a column has, those first that are written most like one that is wanted."""

        def unlike(seen: str) -> tuple[float, int]:
            return -difflib.SequenceMatcher(None, value.lower(), seen.lower()).ratio(), -self._seen[column][seen]

        near = sorted(self._seen[column], key=unlike)
        shown = ", ".join(f"{each!r} ({self._seen[column][each]:,})" for each in near[:SHOWN])
        return shown + (f" and {len(near) - SHOWN:,} more" if len(near) > SHOWN else "")


def _coded(column: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """The values that differ, None last, and int[rows]: which one a row has."""
    if isinstance(column, pd.Series):
        codes, found = pd.factorize(column)
        values = found.tolist()
        return [*values, None], np.where(codes < 0, len(values), codes)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [*values, None], encoded.indices.cast(pa.int64()).fill_null(len(values)).to_numpy(zero_copy_only=False)


def kinds_note(name: str, values: Sequence[Any]) -> str | None:
    """What the report says of a column that looks like kinds of events, by some of its values; None of any other."""
    if not EVENTS.fullmatch(name):
        return None
    kinds = Counter(plain for value in values if (plain := plain_value(value)))
    if not 2 <= len(kinds) <= MOST_KINDS or len(values) < 2 * len(kinds):
        return None
    shown = ", ".join(f"{kind} {rows:,}" for kind, rows in kinds.most_common())
    do = f'set where to take some, as {{"{name}": ["{next(iter(kinds))}"]}}'
    return f"the column {name} has {len(kinds)} kinds in the first {len(values):,} rows: {shown}; all are taken; {do}"
