"""A log from any source: MovieLens by name, files, the paper's files, a database, or a DataFrame."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from ncf.config import Settings, settings_of
from ncf.data import ITEM_ID, TITLE, TimeUnit
from ncf.data.config import (
    FeedbackConfig,
    FilterConfig,
    IdRules,
    TimeFormat,
    Where,
    check_times,
    check_where,
)
from ncf.data.faults import row_number
from ncf.data.filters import FilteredLog, filter_ratings
from ncf.data.ratings import Ratings, first_titles
from ncf.errors import ConfigError
from ncf.files import cache_dir
from ncf.ingest.columns import FILTER, find_columns, with_filters
from ncf.ingest.config import (
    MOVIELENS,
    Columns,
    FileSource,
    MovieLensSource,
    PaperSource,
    SourceConfig,
    SparkSource,
    SQLSource,
)
from ncf.ingest.database import find_url
from ncf.ingest.engine import EngineConfig, check_engine
from ncf.ingest.files import load_files, open_tables, open_titles
from ncf.ingest.locations import is_here
from ncf.ingest.movielens import load_movielens
from ncf.ingest.paper import find_three, load_paper
from ncf.ingest.sql import load_sql
from ncf.ingest.where import FIRST_ROWS, RowFilter, kinds_note

WHERE = "the DataFrame"


class FrameSettings(Settings):
    """How a DataFrame is read."""

    columns: Columns = Columns()
    ids: IdRules = IdRules()
    where: Where = Field(default={})
    time_unit: TimeUnit = Field(default="auto", description="auto tells s, ms, us, ns and ISO 8601 by the values")
    time_format: TimeFormat = None

    @model_validator(mode="after")
    def _format_or_unit(self) -> Self:
        check_times(self.time_unit, self.time_format)
        check_where(self.where, self.columns.rating)
        return self


def load_frame(frame: pd.DataFrame, settings: FrameSettings = FrameSettings()) -> Ratings:  # noqa: B008 (frozen)
    """Check a log of one row an interaction; a column `title` has the items' titles.

    The frame is left as it is, and columns that are not wanted are passed over.

    Raises:
        DataError: a column is missing, or has a value that is empty, not a number, no time, or out of range.
    """
    wanted = with_filters(settings.columns, settings.where)
    names = [str(name) for name in frame.columns]
    indices = find_columns(names, wanted, WHERE)
    rows = RowFilter(settings.where)
    frame, rated = rows.frame(frame, indices)
    places = np.flatnonzero(rows.masks[0]) if rows.columns else None
    indices = {role: index for role, index in indices.items() if not role.startswith(FILTER)}
    log = frame.iloc[:, list(indices.values())].set_axis(list(indices), axis=1).assign(**rated)
    ratings = Ratings.from_frame(
        log,
        time_unit=settings.time_unit,
        time_format=settings.time_format,
        locate=row_number if places is None else lambda row: row_number(int(places[row])),
        ids=settings.ids,
        names={role: names[index] for role, index in indices.items() if isinstance(frame.columns[index], str)},
    )
    ratings = replace(ratings, tally=rows.told(ratings.tally))
    if not settings.where:
        for at in set(range(len(names))) - set(indices.values()):
            if note := kinds_note(names[at], frame.iloc[:FIRST_ROWS, at].tolist()):
                ratings = replace(ratings, tally=ratings.tally.note(note))
    if names.count(TITLE) == 1:
        titles = frame[TITLE].set_axis(pd.Index(ratings.frame[ITEM_ID])).astype("str")
        ratings = replace(ratings, titles=first_titles(titles))
    taken = [f"{names[index]} as {role}" for role, index in indices.items() if wanted[role] != names[index] != role]
    return replace(ratings, tally=ratings.tally.note(f"columns taken: {', '.join(taken)}")) if taken else ratings


def check_source(source: SourceConfig, engine: EngineConfig = EngineConfig()) -> None:  # noqa: B008 (frozen)
    """Look whether a log is there, without reading more of it than the first lines.

    Raises:
        ConfigError: the URL of a database is missing or wrong, or the engine can't read this source or is not there.
        DataError: a file is missing, or its columns are not what they should be.
    """
    check_engine(source, engine)
    match source:
        case FileSource():
            if engine.kind == "pandas" or is_here(source.path):
                open_tables(source)
            open_titles(source)
        case PaperSource():
            find_three(source)
        case SQLSource():
            if source.secret_block is None:  # which only a flow can open
                find_url(source, None)


def load_filtered(
    source: SourceConfig,
    filters: FilterConfig,
    feedback: FeedbackConfig,
    engine: EngineConfig = EngineConfig(),  # noqa: B008 (frozen)
    cache: Path | None = None,
    database_url: str | None = None,
) -> FilteredLog:
    """Read, check and filter a log; the result is the same with any engine.

    Args:
        source: where the log lies.
        filters: which rows are left out.
        feedback: what a rating means.
        engine: what reads and filters it.
        cache: see `load_ratings`.
        database_url: see `load_ratings`.

    Raises:
        ConfigError: the engine is not there or can't read this source, or the URL of a database is missing or wrong.
        DataError: the log is not there, or not what it should be; or nothing is left of it.
    """
    check_engine(source, engine)
    if engine.kind == "spark" and isinstance(source, FileSource | SparkSource):
        from ncf.ingest.spark import load_with_spark

        return load_with_spark(source, engine, filters, feedback)
    ratings = load_ratings(source, cache, database_url)
    return FilteredLog(filter_ratings(ratings, filters, feedback), ratings.titles)


def load_ratings(
    source: SourceConfig | str | Path | pd.DataFrame,
    cache: Path | None = None,
    database_url: str | None = None,
    **settings: Any,
) -> Ratings:
    """Read and check a log.

    Args:
        source: where it lies: a MovieLens data set by name, such as "ml-100k"; the path, glob or fsspec URL of files; a
            DataFrame with a row an interaction; or the settings of any source, such as SQLSource.
        cache: folder for downloads; `cache_dir()` if None.
        database_url: SQLAlchemy URL of a database, password included; None: the environment's or the settings'.
        settings: of files those of FileSource, such as columns={"user": "listener", "item": "song"} and
            titles_path="songs.csv"; of a DataFrame columns and time_unit.

    Raises:
        ConfigError: a setting is unknown or impossible.
        DataError: the log is not there, or not what it should be.
    """
    if isinstance(source, pd.DataFrame):
        return load_frame(source, settings_of(FrameSettings, settings))
    match _with_settings(source, settings):
        case MovieLensSource() as movielens:
            return load_movielens(movielens, cache or cache_dir())
        case FileSource() as files:
            return load_files(files)
        case PaperSource() as paper:
            return load_paper(paper)
        case SQLSource() as sql:
            return load_sql(sql, database_url)
        case SparkSource() as spark:
            raise ConfigError(
                "a table of Spark's is read while it is filtered",
                got=spark.table or spark.query,
                do="use ncf.prepare.prepare_source with an engine of the kind spark",
            )


def _with_settings(source: SourceConfig | str | Path, settings: dict[str, Any]) -> SourceConfig:
    """What a name or a path means."""
    if not isinstance(source, str | Path):
        return settings_of(type(source), source.model_dump() | settings) if settings else source
    if source in MOVIELENS:
        return settings_of(MovieLensSource, {"name": source, **settings})
    return settings_of(FileSource, {"path": str(source), **settings})
