"""MovieLens by name, downloaded once into a cache outside the repository: from GroupLens, or the package index."""

import hashlib
import io
import logging
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import requests
from filelock import FileLock

from ncf.data import ITEM_ID, TITLE
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.files import CACHE_VARIABLE, cache_dir
from ncf.ingest.config import MovieLensName, MovieLensSource
from ncf.ingest.download import check, download, published_md5
from ncf.ingest.releases import (
    GENRES,
    RATINGS_FILE,
    RELEASES,
    Release,
    genres_text,
    read_items_of,
    read_tables,
    unpack,
    write_tables,
)

logger = logging.getLogger(__name__)

FOLDER = "movielens"  # in the cache
ON_PACKAGE_INDEX = "ml-100k"  # the one that a package carries too
WHEEL = "recbole==1.2.1"  # carries the same ratings
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"  # of GroupLens' u.data
PIP_SECONDS = 300.0


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
    logger.info("%s (%s Terms: %s)", release.title, release.license, release.terms)


def _fetch(release: Release, archive: Path, folder: Path) -> None:
    """Download the archive and unpack it, or take the next source that has the same."""
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
            ratings, items = _from_package_index()
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


def _from_package_index() -> tuple[bytes, pd.DataFrame]:
    """The content of u.data, and the items: columns item_id, title and genres.

    Raises:
        DataError: the index can't be reached or does not have the package, or it is not the published one.
    """
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return _from_wheel(_pip_download(Path(scratch)))
    except (OSError, ValueError, KeyError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
        raise DataError(_short(error), do="use a package index that has it") from error


def _pip_download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    subprocess.run(
        [*command, "--dest", str(scratch), WHEEL],
        check=True,
        stdout=None if sys.stdout.isatty() else subprocess.DEVNULL,  # pip's own progress bar
        stderr=subprocess.PIPE,
        text=True,
        timeout=PIP_SECONDS,
    )
    wheel = next(scratch.glob("*.whl"), None)
    if wheel is None:
        raise ValueError(f"the package index has {WHEEL} only as source")
    return wheel


def _from_wheel(wheel: Path) -> tuple[bytes, pd.DataFrame]:
    _check_sha256(wheel.read_bytes(), WHEEL_SHA256, wheel.name)
    with zipfile.ZipFile(wheel) as files:
        folder = "recbole/dataset_example/ml-100k/ml-100k"
        _header, ratings = files.read(f"{folder}.inter").split(b"\n", 1)
        films = pd.read_csv(io.BytesIO(files.read(f"{folder}.item")), sep="\t", dtype="str", quoting=3)
    _check_sha256(ratings, RATINGS_SHA256, f"the ratings in {wheel.name}")
    films.columns = pd.Index([column.split(":")[0] for column in films.columns])
    year = films["release_year"].map(lambda text: f" ({text})" if isinstance(text, str) else "")
    titles = films["movie_title"].fillna("") + year
    genres = genres_text(films["class"].fillna("").str.split())
    columns = {ITEM_ID: films[ITEM_ID].astype("int64"), TITLE: titles.astype("str"), GENRES: genres}
    return ratings, pd.DataFrame(columns)


def _check_sha256(content: bytes, expected: str, what: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{what} has a wrong SHA-256", got=found, allowed=expected, do="use a package index that has the original"
        )


def _short(error: Exception) -> str:
    """The last line that says something: for a failed pip that is its own error message."""
    text = error.stderr if isinstance(error, subprocess.CalledProcessError) and error.stderr else str(error)
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")] or text.splitlines() or [repr(error)]
    return errors[-1].removeprefix("ERROR: ")[:300]
