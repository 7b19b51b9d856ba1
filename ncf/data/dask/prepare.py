"""Preparation by Dask, from the log's place to its pairs in this process: the table of contents."""

import logging
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ncf.data.coded import CodedLog
from ncf.data.columns import ITEM_ID, TIMESTAMP, USER_ID
from ncf.data.config import DataConfig, EngineConfig
from ncf.data.dask.cluster import MEGABYTE, Workers, open_workers
from ncf.data.dask.coding import code_piece, first_users_of_groups
from ncf.data.dask.group import Filtered, Group, collect
from ncf.data.dask.grouped import GroupedLog
from ncf.data.dask.ids import FoundIds, find_ids
from ncf.data.dask.pieces import IDS
from ncf.data.dask.sources import Opened, read_database, read_files, read_movielens
from ncf.data.dask.verdict import verdict_on
from ncf.data.faults import first_problem, joined_faults, refuse
from ncf.data.filters import filter_across_users, reasons_within_users, refuse_impossible
from ncf.data.ratings import tally_of
from ncf.data.tally import Tally
from ncf.data.times import IN_RANGE
from ncf.ingest.config import FileSource, MovieLensSource, SQLSource

BASE_BYTES = 300 * MEGABYTE  # of a worker, before it has any rows
ROW_BYTES = 1_000  # that one row takes in a worker at most, ids of text included
FEWEST_ROWS, MOST_ROWS = 50_000, 500_000  # of a piece and of a group; larger ones are no faster

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Coded:
    """A log in pieces of codes."""

    pieces: int
    folder: Path
    ids: dict[str, FoundIds]
    first_users: np.ndarray
    has_times: bool
    given: bool
    titles: "pd.Series[str]"
    tally: Tally


def filter_by_dask(
    source: MovieLensSource | FileSource | SQLSource,
    config: DataConfig,
    engine: EngineConfig,
    cache: Path,
    database_url: str | None = None,
) -> tuple[CodedLog, "pd.Series[str]"]:
    """Read, check and filter a log by workers; what `filter_ratings` makes of `load_ratings`, to the last bit.

    Args:
        source: where the log lies.
        config: the choices.
        engine: the workers.
        cache: folder for downloads, and for the pieces while this runs; a cluster's workers must see it.
        database_url: as that of `load_ratings`.

    Returns:
        The log that is left, one row a pair, and titles by item id.

    Raises:
        ConfigError: Dask is not installed, or the cluster can't be used.
        DataError: the log is not there, not what it should be, or has nothing left.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".dask-", dir=cache, ignore_cleanup_errors=True) as name,
        open_workers(engine, Path(name)) as workers,
    ):
        folder = Path(name)
        most_rows = _most_rows(workers)
        opened = _read(source, workers, folder / "read", most_rows, cache, database_url)
        refuse_impossible(config.filters, has_times=_has_times(opened), brings_split=opened.given)
        coded = _code(opened, workers, folder, most_rows)
        log = _filter_within_users(coded, workers, folder, config)
        log = filter_across_users(log, config.filters)
        rated = config.feedback.kind == "explicit"
        users, items = coded.ids[USER_ID], coded.ids[ITEM_ID]
        return log.gathered(users, items, has_times=coded.has_times, given=coded.given, rated=rated), coded.titles


def _most_rows(workers: Workers) -> int:
    if workers.memory is None:
        return MOST_ROWS
    return int(np.clip((workers.memory - BASE_BYTES) // ROW_BYTES, FEWEST_ROWS, MOST_ROWS))


def _read(
    source: MovieLensSource | FileSource | SQLSource,
    workers: Workers,
    folder: Path,
    most_rows: int,
    cache: Path,
    database_url: str | None,
) -> Opened:
    match source:
        case FileSource():
            return read_files(source, workers, folder, most_rows)
        case MovieLensSource():
            return read_movielens(source, workers, folder, most_rows, cache)
        case SQLSource():
            return read_database(source, folder, most_rows, database_url)


def _has_times(opened: Opened) -> bool:
    return TIMESTAMP in next(piece for _, piece in opened.log.pieces()).types


def _code(opened: Opened, workers: Workers, folder: Path, most_rows: int) -> _Coded:
    """Find the ids, check the pieces, and write them in codes."""
    verdict = verdict_on(opened.log, opened.time_unit)
    starts = [start for start, _ in opened.log.pieces()]
    pieces = [piece for _, piece in opened.log.pieces()]
    ids = {
        role: find_ids(
            (piece.ids_path(role) for piece in pieces),
            role,
            folder / role,
            text=role in verdict.text_ids,
            uuids=role in opened.uuids,
        )
        for role in IDS
    }
    first_users = first_users_of_groups(ids[USER_ID].occurs, most_rows)
    groups_file, to = folder / "groups.npy", folder / "coded"
    np.save(groups_file, first_users)
    to.mkdir()
    paths = {role: found.path for role, found in ids.items()}
    same = ([value] * len(pieces) for value in (verdict, paths, groups_file, to))
    coded = list(workers.each("Checking", code_piece, range(len(pieces)), pieces, opened.log.parts(), *same))
    faults = joined_faults(zip(starts, (one.faults for one in coded), strict=True))
    if verdict.mixed is not None:  # in the unit of the others it may be out of range, but that is not what is wrong
        faults = [*(fault for fault in faults if fault.allowed != IN_RANGE), verdict.mixed]
    refuse(faults, opened.log.locate)
    shutil.rmtree(folder / "read")
    has_times = _has_times(opened)
    span = min(one.span[0] for one in coded), max(one.span[1] for one in coded)
    tally = tally_of(sum(piece.rows for piece in pieces), span if has_times else None)
    tally = tally.note(opened.note) if opened.note else tally
    titles = opened.titles(pd.Series(ids[ITEM_ID].ids))
    titles = titles[titles.notna() & ~titles.index.duplicated()]
    return _Coded(len(pieces), to, ids, first_users, has_times, opened.given, titles, tally)


def _filter_within_users(coded: _Coded, workers: Workers, folder: Path, config: DataConfig) -> GroupedLog:
    """Bring each user's rows together, and apply the filters that need no others."""
    to = folder / "grouped"
    to.mkdir()
    num_users, num_items = len(coded.ids[USER_ID].ids), len(coded.ids[ITEM_ID].ids)
    ends = [*coded.first_users[1:].tolist(), num_users]
    groups = [
        Group(to / f"{number:06}.0.npy", first, end - first, num_items)
        for number, (first, end) in enumerate(zip(coded.first_users.tolist(), ends, strict=True))
    ]
    values = (coded.pieces, coded.folder, coded.given, config.filters, config.feedback)
    same = ([value] * len(groups) for value in values)
    done: list[Filtered] = list(workers.each("Filtering", collect, groups, range(len(groups)), *same))
    order = ("leak", "scale") if config.filters.repeated == "sum" else ("scale", "leak")
    problems = sorted((problem for one in done for problem in one.problems), key=lambda one: order.index(one.kind))
    if problem := first_problem(problems):
        raise problem.error(coded.ids[USER_ID].ids, coded.ids[ITEM_ID].ids, config.feedback.scale)
    shutil.rmtree(coded.folder)
    tally = replace(coded.tally, repeated_pairs=sum(one.tally.repeated_pairs for one in done))
    for reason in reasons_within_users(config.filters, config.feedback):
        tally = tally.drop(reason, sum(dict(one.tally.dropped).get(reason, 0) for one in done))
    return GroupedLog(workers, to, [one.group for one in done], tally)
