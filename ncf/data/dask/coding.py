"""From pieces as they were read to rows of codes, checked, and in groups of users."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import parquet

from ncf.data.columns import RATING, TIMESTAMP
from ncf.data.dask.ids import codes_of
from ncf.data.dask.pieces import IDS, Piece
from ncf.data.dask.verdict import Verdict
from ncf.data.faults import Fault
from ncf.data.ratings import converted
from ncf.ingest.files import as_series

ROW = np.dtype([("user", "i4"), ("item", "i4"), ("rating", "f8"), ("time", "i8"), ("part", "i1")])


@dataclass(frozen=True)
class Coded:
    """What became of a piece.

    Attributes:
        faults: what is wrong with it; then nothing was written.
        span: first and last time, in microseconds since the epoch.
    """

    faults: list[Fault]
    span: tuple[int, int]


def rows_path(folder: Path, number: int) -> Path:
    """File of a piece's rows of codes, by group of users and within a group in the order of the log."""
    return folder / f"{number:06}.npy"


def groups_path(folder: Path, number: int) -> Path:
    """File of the places in those rows where the groups begin, and of their end: int64[groups + 1]."""
    return folder / f"{number:06}.groups.npy"


def code_piece(
    number: int, piece: Piece, part: int, verdict: Verdict, ids: dict[str, Path], first_users: Path, folder: Path
) -> Coded:
    """Check a piece and write it in codes; done by a worker.

    Args:
        number: of the piece, from 0.
        piece: which.
        part: TRAIN, VALIDATION or TEST.
        verdict: what holds for the whole log.
        ids: the files of `find_ids`, of users and of items.
        first_users: file of the code of each group's first user: int64[groups].
        folder: where to.
    """
    from ncf.data.schema import faults_of

    table = parquet.read_table(piece.path)
    raw = pd.DataFrame({role: _column(table[role], role, verdict) for role in table.column_names}, copy=False)
    checked, faults = converted(raw, verdict.time_unit, verdict.first_time)
    faults = [*faults_of(checked, raw), *faults]
    times = checked[TIMESTAMP].to_numpy()
    span = int(times.min()), int(times.max())
    if faults:
        return Coded(faults, span)
    users, items = (codes_of(_ids(table[role], role, verdict), ids[role]) for role in IDS)
    starts = np.load(first_users)
    groups = np.searchsorted(starts, users, side="right") - 1
    order = np.argsort(groups, kind="stable")
    rows = np.empty(len(order), dtype=ROW)
    rows["user"], rows["item"], rows["part"] = users[order], items[order], part
    rows["rating"], rows["time"] = checked[RATING].to_numpy()[order], times[order]
    np.save(groups_path(folder, number), np.searchsorted(groups[order], np.arange(len(starts) + 1)))
    np.save(rows_path(folder, number), rows)
    return Coded([], span)


def first_users_of_groups(occurs: NDArray[np.int64], most_rows: int) -> NDArray[np.int64]:
    """Neighbouring users in groups of about so many rows; a user is in one group, however many rows that takes.

    Args:
        occurs: int64[number of users]: rows of each.
        most_rows: of a group; one user more may go beyond it.

    Returns:
        The code of each group's first user.
    """
    before = np.cumsum(occurs) - occurs
    return np.flatnonzero(np.diff(before // most_rows, prepend=-1))


def _ids(values: Any, role: str, verdict: Verdict) -> Any:
    return values.cast("string") if role in verdict.text_ids else values


def _column(values: Any, role: str, verdict: Verdict) -> "pd.Series[Any]":
    return as_series(_ids(values, role, verdict) if role in IDS else values.cast(verdict.types[role]))
