"""A log's place opened: its files read by the workers, or a database's rows by this process."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa

from ncf.data.columns import TIMESTAMP, TRAIN, TimeUnit
from ncf.data.dask.cluster import Workers
from ncf.data.dask.pieces import IDS, Piece, write_piece
from ncf.data.dask.reading import Stretch, joined, read_stretch
from ncf.data.dask.verdict import Log
from ncf.data.faults import Fault, joined_faults, refuse, row_of
from ncf.data.ratings import converted
from ncf.data.times import read_times
from ncf.errors import DataError
from ncf.ingest.archives import RATINGS_FILE, read_titles_of
from ncf.ingest.config import FileSource, MovieLensSource, SQLSource
from ncf.ingest.files import open_tables, open_titles, read_titles, renamed, titles_of, uuid_roles
from ncf.ingest.movielens import movielens_folder
from ncf.ingest.sql import name_of, read_chunks
from ncf.ingest.text import NotAllIntegersError

Titles = Callable[["pd.Series[Any]"], "pd.Series[str]"]


@dataclass(frozen=True)
class Opened:
    """A log that has been read.

    Attributes:
        log: its pieces.
        time_unit: of times that are numbers.
        given: whether it brings its own split.
        titles: from the items' ids to titles by id.
        uuids: columns of ids that are UUIDs, kept as text in the pieces.
        note: for the tally, if not empty.
    """

    log: Log
    time_unit: TimeUnit
    given: bool
    titles: Titles
    uuids: frozenset[str] = frozenset()
    note: str = ""


def read_files(source: FileSource, workers: Workers, folder: Path, most_rows: int) -> Opened:
    """Read files, each by one worker from its beginning to its end.

    Args:
        source: which.
        workers: who read.
        folder: for the pieces; there is none yet.
        most_rows: of a piece.

    Raises:
        DataError: a file is not there, or not what it should be.
    """
    tables = open_tables(source)
    titles = open_titles(source)
    jobs = [(part, table, file) for part, table in tables.items() for file in table.files]

    def read(integer_times: bool) -> list[Stretch]:
        folder.mkdir()
        parts, of_tables, files = (list(column) for column in zip(*jobs, strict=True))
        same = ([value] * len(jobs) for value in (integer_times, folder, most_rows))
        return list(workers.each("Reading", read_stretch, range(len(jobs)), of_tables, files, parts, *same))

    try:
        stretches = read(integer_times=True)
    except NotAllIntegersError:
        shutil.rmtree(folder)
        stretches = read(integer_times=False)
    for part, table in tables.items():
        if not any(stretch.rows for stretch in stretches if stretch.part == part):
            raise DataError(f"{table.files[0]} has no rows", do="check that it was written to the end")
    return Opened(
        Log(stretches),
        source.time_unit,
        len(tables) > 1,
        lambda ids: pd.Series(dtype=str) if titles is None else titles_of(read_titles(titles), ids),
        uuid_roles(tables),
        note=renamed(tables[TRAIN]),
    )


def read_movielens(source: MovieLensSource, workers: Workers, folder: Path, most_rows: int, cache: Path) -> Opened:
    """Read MovieLens, downloaded on first use; the arguments are those of `read_files`."""
    unpacked = movielens_folder(source, cache)
    files = FileSource(path=str(unpacked / RATINGS_FILE), time_unit="s")
    return replace(read_files(files, workers, folder, most_rows), titles=lambda ids: read_titles_of(unpacked))


def read_database(source: SQLSource, folder: Path, most_rows: int, database_url: str | None) -> Opened:
    """Read a database's rows in this process, chunk by chunk, so that no password leaves it.

    Args:
        source: what.
        folder: for the pieces; there is none yet.
        most_rows: of a piece.
        database_url: as that of `load_sql`.

    Raises:
        ConfigError: the URL is missing or wrong, or its driver is not installed.
        DataError: the database refuses, or the log is not what it should be.
    """
    folder.mkdir()
    pieces: list[Piece] = []
    faults: list[tuple[int, list[Fault]]] = []
    first: pd.DataFrame | None = None
    rows, unit = 0, source.time_unit
    for chunk, unit in read_chunks(source, database_url):
        frame = pd.DataFrame(chunk)
        first = frame.dropna(subset=list(IDS)).head(1).astype(object) if first is None or first.empty else first
        block, found = _block(frame, unit, first)
        faults.append((rows, found))
        rows += len(frame)
        for slim in joined([block], most_rows) if block else ():
            piece = write_piece(folder / f"{len(pieces):06}.parquet", slim, typed=True)
            pieces.append(replace(piece, ids={role: seen._replace(null=None) for role, seen in piece.ids.items()}))
    refuse(joined_faults(faults), lambda row: row_of(name_of(source), row))
    uuids = frozenset(role for role in IDS if first is not None and isinstance(first[role].iloc[0], UUID))
    no_titles = pd.Series(dtype=str)
    return Opened(Log([Stretch(name_of(source), TRAIN, pieces)]), unit, False, lambda ids: no_titles, uuids)


def _block(frame: pd.DataFrame, unit: TimeUnit, first: pd.DataFrame) -> tuple[dict[str, Any], list[Fault]]:
    """Arrow arrays of a chunk, or what is wrong with it; only the times are left to be checked.

    Args:
        frame: the chunk.
        unit: of the times.
        first: the log's first row with ids, if any; it says what kind the ids are.
    """
    from ncf.data.schema import faults_of

    untimed = pd.concat([first, frame], ignore_index=True).drop(columns=TIMESTAMP, errors="ignore")
    checked, faults = converted(untimed, unit)
    own = [replace(fault, row=fault.row - len(first)) for fault in [*faults_of(checked, untimed), *faults]]
    if own:
        return {}, own
    checked = checked[len(first) :].reset_index(drop=True)
    block = {role: _ids(checked[role]) if role in IDS else pa.array(checked[role]) for role in map(str, untimed)}
    if TIMESTAMP in frame:
        try:
            times = pa.array(frame[TIMESTAMP], from_pandas=True)
        except pa.ArrowException:
            times = None
        if times is None or pa.types.is_null(times.type):
            if unusable := read_times(frame[TIMESTAMP], unit)[1]:
                return {}, unusable
            raise DataError("the times of the log are of several types", do="convert them in the query")
        block[TIMESTAMP] = times.cast(pa.string()) if pa.types.is_large_string(times.type) else times
    return block, []


def _ids(ids: "pd.Series[Any]") -> Any:
    if pd.api.types.is_integer_dtype(ids.dtype):
        return pa.array(ids, pa.int64())
    return pa.array([str(value) for value in ids] if isinstance(ids.iloc[0], UUID) else ids, pa.string())
