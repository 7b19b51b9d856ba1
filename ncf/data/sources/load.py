"""One way to load a log, wherever it lies."""

from pathlib import Path
from typing import Any

import pandas as pd

from ncf.config import settings_of
from ncf.data.ratings import Ratings
from ncf.data.sources.cache import cache_dir
from ncf.data.sources.config import MOVIELENS, FileSource, MovieLensSource, PaperSource, SourceConfig, SQLSource
from ncf.data.sources.database import find_url
from ncf.data.sources.files import load_files, open_tables
from ncf.data.sources.frames import FrameSettings, load_frame
from ncf.data.sources.movielens import load_movielens
from ncf.data.sources.paper import find_three, load_paper
from ncf.data.sources.sql import load_sql
from ncf.data.sources.titles import open_titles


def check_source(source: SourceConfig) -> None:
    """Look whether a log is there, without reading more of it than the first lines.

    Raises:
        ConfigError: the URL of a database is missing or wrong.
        DataError: a file is missing, or its columns are not what they should be.
    """
    match source:
        case FileSource():
            open_tables(source)
            open_titles(source)
        case PaperSource():
            find_three(source)
        case SQLSource():
            if source.secret_block is None:  # which only a flow can open
                find_url(source, None)


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


def _with_settings(source: SourceConfig | str | Path, settings: dict[str, Any]) -> SourceConfig:
    """What a name or a path means."""
    if not isinstance(source, str | Path):
        return settings_of(type(source), source.model_dump() | settings) if settings else source
    if source in MOVIELENS:
        return settings_of(MovieLensSource, {"name": source, **settings})
    return settings_of(FileSource, {"path": str(source), **settings})
