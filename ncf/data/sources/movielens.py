"""MovieLens by name, fetched once into a cache outside the repository."""

import io
import logging
from pathlib import Path

import pandas as pd
import requests
from filelock import FileLock

from ncf.data.ratings import Ratings
from ncf.data.sources.cache import CACHE_VARIABLE, cache_dir
from ncf.data.sources.config import MovieLensName, MovieLensSource
from ncf.data.sources.download import check, download, published_md5
from ncf.data.sources.package_index import from_package_index
from ncf.data.sources.releases import RELEASES, Release
from ncf.data.sources.unpack import GENRES, RATINGS_FILE, read_items_of, read_tables, unpack, write_tables
from ncf.errors import DataError

logger = logging.getLogger(__name__)

FOLDER = "movielens"  # in the cache
ON_PACKAGE_INDEX = "ml-100k"  # the one that a package carries too


def load_movielens(source: MovieLensSource, cache: Path) -> Ratings:
    """A MovieLens data set, downloaded on first use.

    An archive that someone put at CACHE/movielens/NAME.zip is checked and used instead of a download.

    Raises:
        DataError: it could not be downloaded, or a file is not what it should be.
    """
    ratings, titles = read_tables(movielens_folder(source, cache))
    return Ratings.from_frame(ratings, titles, time_unit="s")


def load_items(name: MovieLensName, cache: Path | None = None) -> pd.DataFrame:
    """The films of a MovieLens data set, downloaded on first use.

    Args:
        name: such as "ml-100k".
        cache: folder for downloads; `cache_dir()` if None.

    Returns:
        One row a film: item_id (int64), title (str), genres (str, such as "Drama|War"; empty where none is known).

    Raises:
        DataError: as `load_movielens`.
    """
    source = MovieLensSource(name=name)
    folder = movielens_folder(source, cache or cache_dir())
    items = read_items_of(folder)
    if GENRES not in items:  # an older ncf wrote them
        with _lock_of(folder):
            _make(RELEASES[name], folder)
        items = read_items_of(folder)
    return items


def movielens_folder(source: MovieLensSource, cache: Path) -> Path:
    """The folder with the two tables, downloaded on first use.

    Raises:
        DataError: as `load_movielens`.
    """
    release = RELEASES[source.name]
    folder = cache / FOLDER / release.name
    if not (folder / RATINGS_FILE).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock_of(folder):
            if not (folder / RATINGS_FILE).is_file():
                _make(release, folder)
    return folder


def _lock_of(folder: Path) -> FileLock:
    """Held while the folder is made: two runs at a time would write one partial file."""
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def _make(release: Release, folder: Path) -> None:
    archive = folder.with_name(f"{release.name}.zip")
    if archive.is_file():
        logger.info("Using the archive %s", archive)
        check(archive, release.size, release.md5)
        unpack(archive, release, folder)
    else:
        _fetch(release, archive, folder)
    logger.info("%s (%s Terms: %s)", release.title, release.licence, release.terms)


def _fetch(release: Release, archive: Path, folder: Path) -> None:
    """Download the archive and unpack it, or take the next place that has the same."""
    logger.info("Downloading %s to %s", release.title, folder)
    try:
        md5 = release.md5 or published_md5(release.url)
        download(release.url, archive, size=release.size, md5=md5)
    except (DataError, requests.RequestException) as error:
        reasons = [f"GroupLens: {error}"]
    else:
        unpack(archive, release, folder)
        archive.unlink()
        return
    if release.name == ON_PACKAGE_INDEX:
        logger.info("Taking the package index instead (%s)", reasons[0])
        try:
            ratings, items = from_package_index()
        except DataError as error:
            reasons.append(f"the package index: {error}")
        else:
            write_tables(io.BytesIO(ratings), items, release, folder)
            return
    raise DataError(
        f"{release.title} could not be downloaded",
        got="; ".join(reasons),
        do=f"connect to the internet and run again, or fetch {release.url} elsewhere and put it at {archive}, where it "
        f"is checked and used (${CACHE_VARIABLE} moves the cache)",
    )
