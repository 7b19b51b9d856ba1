"""From an archive of MovieLens to two tables that load fast."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ncf.data.ratings import COLUMNS, ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.data.sources.releases import Release, Writing
from ncf.errors import DataError
from ncf.files import new_folder

RATINGS_FILE, TITLES_FILE = "ratings.parquet", "titles.parquet"
BLOCK_BYTES = 2**25  # of text at once: what unpacking takes in memory, whatever the size of the log
SCHEMA = pa.schema([(USER_ID, pa.int64()), (ITEM_ID, pa.int64()), (RATING, pa.float64()), (TIMESTAMP, pa.int64())])
DELIMITER: dict[Writing, str] = {"u.data": "\t", "dat": ":", "csv": ","}
DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)  # ArrowInvalid is a ValueError


def unpack(archive: Path, release: Release, folder: Path) -> None:
    """Write ratings and titles of an archive as Parquet, and nothing else. The folder appears whole or not at all.

    Raises:
        DataError: the archive is damaged, or there is no space.
    """
    try:
        with zipfile.ZipFile(archive) as files, files.open(release.ratings_member) as ratings:
            write_tables(ratings, read_titles(files.read(release.titles_member), release), release, folder)
    except DAMAGED as error:
        do = f"remove {archive} and run again"
        raise DataError(f"{archive} is not a readable archive of {release.title}", got=str(error), do=do) from error


def write_tables(ratings: IO[bytes], titles: pd.DataFrame, release: Release, folder: Path) -> None:
    """Write the two tables.

    Args:
        ratings: text as the release writes it; columns user, item, rating, time in seconds since the epoch.
        titles: columns item_id, title.
        release: which.
        folder: where to.

    Raises:
        DataError: they can't be written.
    """
    try:
        with new_folder(folder) as new:
            _write_ratings(ratings, release.writing, new / RATINGS_FILE)
            titles.to_parquet(new / TITLES_FILE, index=False)
    except OSError as error:
        raise DataError(
            f"{folder} can't be written", got=str(error), do=f"make room in {folder.parent}, or move the cache"
        ) from error


def _write_ratings(text: IO[bytes], writing: Writing, file: Path) -> None:
    names: list[str] = list(COLUMNS)
    if writing == "dat":  # "1::2::3::4" has seven fields between single colons, every second of them empty
        names = [USER_ID, "1", ITEM_ID, "2", RATING, "3", TIMESTAMP]
    rows = pacsv.open_csv(
        text,
        pacsv.ReadOptions(column_names=names, skip_rows=int(writing == "csv"), block_size=BLOCK_BYTES),
        pacsv.ParseOptions(delimiter=DELIMITER[writing]),
        pacsv.ConvertOptions(include_columns=list(COLUMNS), column_types=SCHEMA, null_values=[]),
    )
    with rows, pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True) as out:
        for batch in rows:
            out.write_batch(batch)


def read_titles(text: bytes, release: Release) -> pd.DataFrame:
    """Columns item_id (int64) and title (str)."""
    looks: dict[Writing, dict[str, Any]] = {
        "u.data": {"sep": "|", "header": None, "quoting": 3},
        "dat": {"sep": "::", "header": None, "quoting": 3, "engine": "python"},
        "csv": {"sep": ",", "header": 0},
    }
    look = looks[release.writing]
    frame: pd.DataFrame = pd.read_csv(io.BytesIO(text), usecols=[0, 1], encoding=release.encoding, **look)
    frame.columns = pd.Index([ITEM_ID, TITLE])
    return frame.astype({ITEM_ID: "int64", TITLE: "str"})


def read_tables(folder: Path) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """The ratings, and the titles by item_id; both checked against the checksums within.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        ratings = pd.read_parquet(folder / RATINGS_FILE, page_checksum_verification=True)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, error) from error
    return ratings, read_titles_of(folder)


def read_titles_of(folder: Path) -> "pd.Series[str]":
    """The titles by item_id.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return pd.read_parquet(folder / TITLES_FILE).set_index(ITEM_ID)[TITLE]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder} is damaged", got=str(error), do=f"remove {folder} and run again")
