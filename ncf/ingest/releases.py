"""MovieLens' releases: where each is, how it is written, on what terms it may be used; and its files as Parquet.

Source: https://files.grouplens.org/datasets/movielens/ and the README of each release.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, Literal, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ncf.data import COLUMNS, ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.files import new_folder
from ncf.ingest.config import MovieLensName

BASE_URL = "https://files.grouplens.org/datasets/movielens"
CITE: Final = "Cite: F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015."
ASK: Final = "no commercial use without permission"
STRICT: Final = f"GroupLens, University of Minnesota: free for research; no redistribution and {ASK}. {CITE}"
SHARE_ALIKE: Final = (
    f"GroupLens, University of Minnesota: free for research; {ASK}; redistribution on the same terms. {CITE}"
)

Writing: TypeAlias = Literal["u.data", "dat", "csv"]


@dataclass(frozen=True)
class Release:
    """One data set.

    Attributes:
        name: as in the settings.
        title: as GroupLens calls it.
        size: bytes of the archive; None where it changes.
        md5: of the archive, as published beside it (NAME.zip.md5); None where it changes: then that file is asked.
        writing: u.data: tabs, and "|" for titles; dat: "::", no header; csv: RFC 4180 with a header.
        encoding: of the titles.
        license: in short.
        readme: ending of the file with the terms in full.
        folder: in the archive; empty: the name.
    """

    name: MovieLensName
    title: str
    size: int | None
    md5: str | None
    writing: Writing = "csv"
    encoding: str = "utf-8"
    license: str = SHARE_ALIKE
    readme: str = "html"
    folder: str = ""

    @property
    def url(self) -> str:
        """Address of the archive."""
        return f"{BASE_URL}/{self.name}.zip"

    @property
    def terms(self) -> str:
        """Address of the terms in full."""
        return f"{BASE_URL}/{self.name}-README.{self.readme}"

    def member(self, files: Mapping[Writing, str]) -> str:
        """Name of a file in the archive: `RATINGS` or `ITEMS`."""
        return f"{self.folder or self.name}/{files[self.writing]}"


RATINGS: Mapping[Writing, str] = MappingProxyType({"u.data": "u.data", "dat": "ratings.dat", "csv": "ratings.csv"})
ITEMS: Mapping[Writing, str] = MappingProxyType({"u.data": "u.item", "dat": "movies.dat", "csv": "movies.csv"})
OLDER = (  # no redistribution
    Release(
        "ml-100k",
        "MovieLens 100K",
        4_924_029,
        "0e33842e24a9c977be4e0107933c0723",
        "u.data",
        "latin-1",
        STRICT,
        "txt",
    ),
    Release("ml-1m", "MovieLens 1M", 5_917_549, "c4d9eecfca2ab87c1945afe126590906", "dat", "latin-1", STRICT, "txt"),
    Release(
        "ml-10m",
        "MovieLens 10M",
        65_566_137,
        "ce571fd55effeba0271552578f2648bd",
        "dat",
        license=STRICT,
        folder="ml-10M100K",
    ),
)
NEWER = (  # redistribution on the same terms
    Release("ml-latest-small", "MovieLens Latest (small)", None, None),
    Release("ml-20m", "MovieLens 20M", 198_702_078, "cd245b17a1ae2cc31bb14903e1204af3"),
    Release("ml-25m", "MovieLens 25M", 261_978_986, "6b51fb2759a8657d3bfcbfc42b592ada"),
    Release("ml-32m", "MovieLens 32M", 238_950_008, "d472be332d4daa821edc399621853b57"),
)
RELEASES: dict[MovieLensName, Release] = {release.name: release for release in (*OLDER, *NEWER)}

RATINGS_FILE, TITLES_FILE = "ratings.parquet", "titles.parquet"
GENRES = "genres"
FLAGS = (  # of u.item, in their order
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
NO_GENRES = frozenset({"unknown", "(no genres listed)"})
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
        with zipfile.ZipFile(archive) as files, files.open(release.member(RATINGS)) as ratings:
            write_tables(ratings, read_items(files.read(release.member(ITEMS)), release), release, folder)
    except DAMAGED as error:
        do = f"remove {archive} and run again"
        raise DataError(f"{archive} is not a readable archive of {release.title}", got=str(error), do=do) from error


def write_tables(ratings: IO[bytes], items: pd.DataFrame, release: Release, folder: Path) -> None:
    """Write the two tables.

    Args:
        ratings: text as the release writes it; columns user, item, rating, time in seconds since the epoch.
        items: columns item_id, title, genres.
        release: which.
        folder: where to.

    Raises:
        DataError: they can't be written.
    """
    try:
        with new_folder(folder) as new:
            _write_ratings(ratings, release.writing, new / RATINGS_FILE)
            items.to_parquet(new / TITLES_FILE, index=False)
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


def read_items(text: bytes, release: Release) -> pd.DataFrame:
    """Columns item_id (int64), title and genres (str, see `genres_text`)."""
    looks: dict[Writing, dict[str, Any]] = {
        "u.data": {"sep": "|", "header": None, "quoting": 3},
        "dat": {"sep": "::", "header": None, "quoting": 3, "engine": "python"},
        "csv": {"sep": ",", "header": 0},
    }
    frame: pd.DataFrame = pd.read_csv(io.BytesIO(text), encoding=release.encoding, **looks[release.writing])
    if release.writing == "u.data":
        flags = frame.iloc[:, -len(FLAGS) :].to_numpy() == 1
        listed = pd.Series([[name for name, set_ in zip(FLAGS, row, strict=True) if set_] for row in flags])
    else:
        listed = frame.iloc[:, 2].str.split("|")
    items = frame.iloc[:, :2].set_axis([ITEM_ID, TITLE], axis=1).astype({ITEM_ID: "int64", TITLE: "str"})
    return items.assign(**{GENRES: genres_text(listed)})


def genres_text(listed: "pd.Series[Any]") -> "pd.Series[str]":
    """Lists of genres as texts such as "Drama|War", as the newer releases have them; empty where none is known."""
    return listed.map(lambda names: "|".join(name for name in names if name not in NO_GENRES)).astype("str")


def read_tables(folder: Path) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """The ratings, and the titles by item_id; both checked against the checksums within.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        ratings = pd.read_parquet(folder / RATINGS_FILE, page_checksum_verification=True)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, error) from error
    return ratings, read_items_of(folder).set_index(ITEM_ID)[TITLE]


def read_items_of(folder: Path) -> pd.DataFrame:
    """Columns item_id and title; genres, too, unless an older ncf wrote them.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        items = pd.read_parquet(folder / TITLES_FILE)
        return items[[ITEM_ID, TITLE, *([GENRES] if GENRES in items else [])]]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder} is damaged", got=str(error), do=f"remove {folder} and run again")
