"""One way to load a log, wherever it lies."""

from pathlib import Path

from ncf.data.ratings import Ratings
from ncf.data.sources.cache import cache_dir
from ncf.data.sources.config import FileSource, MovieLensSource, PaperSource, SourceConfig, SQLSource
from ncf.data.sources.database import find_url
from ncf.data.sources.files import load_files, open_tables
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


def load_ratings(source: SourceConfig, cache: Path | None = None, database_url: str | None = None) -> Ratings:
    """Read and check a log.

    Args:
        source: where it lies.
        cache: folder for downloads; `cache_dir()` if None.
        database_url: SQLAlchemy URL of a database, password included; None: the environment's or the settings'.

    Raises:
        DataError: it is not there, or not what it should be.
    """
    match source:
        case MovieLensSource():
            return load_movielens(source, cache or cache_dir())
        case FileSource():
            return load_files(source)
        case PaperSource():
            return load_paper(source)
        case SQLSource():
            return load_sql(source, database_url)
