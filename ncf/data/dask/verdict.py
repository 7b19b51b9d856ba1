"""What holds for the whole log, from what was seen of its pieces: types of the ids, units of the times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ncf.data.columns import TIMESTAMP, TimeUnit
from ncf.data.dask.pieces import IDS, Piece, TimesSeen
from ncf.data.dask.reading import Stretch
from ncf.data.faults import Fault
from ncf.data.times import TO_ONE_UNIT, UNITS, one_unit
from ncf.ingest.files import common_type, no_id


@dataclass(frozen=True)
class Verdict:
    """How every piece is to be taken.

    Attributes:
        text_ids: the columns of ids that are text.
        types: Arrow's, of the other columns.
        time_unit: of the times that are numbers.
        first_time: the log's first, for text, which goes by it.
        mixed: the times that look like another unit, if there are any.
    """

    text_ids: frozenset[str]
    types: dict[str, Any]
    time_unit: TimeUnit
    first_time: object
    mixed: Fault | None


class Log:
    """A log that has been read, in pieces; in the order of the log."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.stretches = stretches

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """The position of each one's first row, and the piece."""
        start = 0
        for stretch in self.stretches:
            for piece in stretch.pieces:
                yield start, piece
                start += piece.rows

    def parts(self) -> list[int]:
        """TRAIN, VALIDATION or TEST of each piece."""
        return [stretch.part for stretch in self.stretches for _ in stretch.pieces]

    def locate(self, row: int) -> str:
        """In words, where a row stands, from 0."""
        for stretch in self.stretches:
            if row < stretch.rows:
                return stretch.place_of(row)
            row -= stretch.rows
        raise IndexError(row)


def verdict_on(log: Log, time_unit: TimeUnit) -> Verdict:
    """Decide.

    Raises:
        DataError: an id is a word such as NULL among integers, or the files have a column in different types.
    """
    pieces = list(log.pieces())
    text = frozenset(role for role in IDS if not all(piece.ids[role].integers for _, piece in pieces))
    for role in IDS:
        if role in text:
            _refuse_null(log, pieces, role)
    first = pieces[0][1]
    types = {role: _common(role, [piece.types[role] for _, piece in pieces]) for role in first.types}
    times = [(start, piece.times) for start, piece in pieces if piece.times is not None]
    if TIMESTAMP not in first.types or not times:
        return Verdict(text, types, time_unit, None, None)
    first_time = next((seen.first for _, seen in times if seen.first is not None), None)
    if time_unit != "auto" or _goes_as_iso(times[0][1], first_time):
        return Verdict(text, types, time_unit, first_time, None)
    return Verdict(text, types, *_unit_of(times, first_time))


def _refuse_null(log: Log, pieces: list[tuple[int, Piece]], role: str) -> None:
    if not all(piece.ids[role].others_integers for _, piece in pieces):
        return
    for start, piece in pieces:
        if (null := piece.ids[role].null) is not None:
            raise no_id(log.locate(start + null[0]), role, null[1])


def _common(role: str, kinds: list[Any]) -> Any:
    different = list(dict.fromkeys(kinds))
    return different[0] if len(different) == 1 else common_type(role, different)


def _goes_as_iso(seen: TimesSeen, first: object) -> bool:
    return seen.text and bool(pd.to_numeric(pd.Series([first]), errors="coerce").isna().any())


def _unit_of(times: list[tuple[int, TimesSeen]], first: object) -> tuple[TimeUnit, object, Fault | None]:
    """The unit of most numbers, and what looks like another."""
    if all(seen.dates for _, seen in times):
        return "auto", first, None  # every piece will say so
    rows = np.zeros(len(UNITS), dtype=np.int64)
    found: dict[int, tuple[int, object]] = {}
    for start, seen in times:
        for kind, (number, row, value) in seen.units.items():
            rows[kind] += number
            found.setdefault(kind, (start + row, value))
    most = int(rows.argmax())
    odd = sorted((place, kind, value) for kind, (place, value) in found.items() if kind != most)
    if not odd:
        return UNITS[most], first, None
    place, kind, value = odd[0]
    allowed = one_unit(found[most][1], UNITS[most], UNITS[kind])
    return UNITS[most], first, Fault(TIMESTAMP, place, value, allowed, int(rows.sum() - rows[most]), TO_ONE_UNIT)
