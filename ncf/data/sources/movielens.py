"""MovieLens by name, fetched once into a cache outside the repository."""

import hashlib
import io
import logging
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import pooch

from ncf.data.ratings import COLUMNS, ITEM_ID, TITLE, Ratings
from ncf.data.sources.cache import CACHE_VARIABLE
from ncf.data.sources.config import MovieLensSource
from ncf.errors import ConfigError, DataError
from ncf.files import new_folder

logger = logging.getLogger(__name__)

ML_100K_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ML_100K_ZIP_MD5 = "0e33842e24a9c977be4e0107933c0723"  # published beside the file
ML_100K_WHEEL = "recbole==1.2.1"  # carries the same ratings; a package mirror then does where GroupLens is not reached
ML_100K_WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
ML_100K_RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
ML_100K_LICENCE = (
    "MovieLens 100K (GroupLens, University of Minnesota): free for research; no redistribution and no commercial use "
    "without permission. Cite: F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015. "
    "Terms: https://files.grouplens.org/datasets/movielens/ml-100k-README.txt"
)
CONNECT_SECONDS = 5.0  # without a route to GroupLens the package index is asked soon
PACKAGE_INDEX_SECONDS = 300.0


def load_movielens(source: MovieLensSource, cache: Path) -> Ratings:
    """A MovieLens data set, downloaded on first use.

    Raises:
        DataError: it could not be downloaded, or a file is not what it should be.
    """
    if source.name != "ml-100k":
        raise ConfigError("this data set can't be fetched yet", got=source.name, allowed="ml-100k")
    return load_movielens_100k(cache)


def load_movielens_100k(cache: Path) -> Ratings:
    """MovieLens 100K: 100,000 ratings (1-5) of 943 users for 1,682 films, with titles."""
    folder = cache / "ml-100k"
    if not folder.exists():
        _download_movielens_100k(folder)
    try:
        raw = (folder / "u.data").read_bytes()
        films = pd.read_csv(folder / "titles.tsv", sep="\t", dtype={ITEM_ID: "int64", TITLE: "str"}, quoting=3)
        titles = films.set_index(ITEM_ID)[TITLE]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder} is damaged", got=str(error), do=f"remove {folder} and run again") from error
    _check_sha256(raw, ML_100K_RATINGS_SHA256, folder / "u.data", f"remove {folder} and run again")
    frame = pd.read_csv(io.BytesIO(raw), sep="\t", names=list(COLUMNS))
    return Ratings.from_frame(frame, titles)


def _download_movielens_100k(folder: Path) -> None:
    logger.info("Downloading MovieLens 100K to %s", folder)
    failures = []
    for place, download in (("GroupLens", _from_grouplens), ("the package index", _from_package_index)):
        try:
            with tempfile.TemporaryDirectory() as scratch:
                ratings, titles = download(Path(scratch))
        except (OSError, ValueError, KeyError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            failures.append(f"{place}: {_short(error)}")
            logger.info("%s did not have it (%s)", place, _short(error))
            continue
        _check_sha256(ratings, ML_100K_RATINGS_SHA256, f"u.data from {place}", "try again, or from another network")
        with new_folder(folder) as new:
            (new / "u.data").write_bytes(ratings)
            titles.to_csv(new / "titles.tsv", sep="\t", index=False, quoting=3)
        logger.info(ML_100K_LICENCE)
        return
    raise DataError(
        "MovieLens 100K could not be downloaded",
        got="; ".join(failures),
        do=f"connect to the internet or to a package index, or copy a machine's {folder} that has it "
        f"(${CACHE_VARIABLE} moves the cache)",
    )


def _from_grouplens(scratch: Path) -> tuple[bytes, pd.DataFrame]:
    pooch.get_logger().setLevel(logging.WARNING)
    archive = pooch.retrieve(
        ML_100K_URL,
        known_hash=f"md5:{ML_100K_ZIP_MD5}",
        path=scratch,
        downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=CONNECT_SECONDS),
    )
    with zipfile.ZipFile(archive) as files:
        films = pd.read_csv(
            io.BytesIO(files.read("ml-100k/u.item")),
            sep="|",
            encoding="latin-1",
            header=None,
            usecols=[0, 1],
            names=[ITEM_ID, TITLE],
            quoting=3,
        )
        return files.read("ml-100k/u.data"), films


def _from_package_index(scratch: Path) -> tuple[bytes, pd.DataFrame]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    subprocess.run(
        [*command, "--dest", str(scratch), ML_100K_WHEEL],
        check=True,
        stdout=None if sys.stdout.isatty() else subprocess.DEVNULL,  # pip's own progress bar
        stderr=subprocess.PIPE,
        text=True,
        timeout=PACKAGE_INDEX_SECONDS,
    )
    wheel = next(scratch.glob("*.whl"), None)
    if wheel is None:
        raise ValueError(f"the package index has {ML_100K_WHEEL} only as source")
    _check_sha256(wheel.read_bytes(), ML_100K_WHEEL_SHA256, wheel.name, "use a package index that has the original")
    with zipfile.ZipFile(wheel) as files:
        folder = "recbole/dataset_example/ml-100k/ml-100k"
        _header, ratings = files.read(f"{folder}.inter").split(b"\n", 1)
        films = pd.read_csv(io.BytesIO(files.read(f"{folder}.item")), sep="\t", dtype="str", quoting=3)
    films.columns = pd.Index([column.split(":")[0] for column in films.columns])
    year = films["release_year"].map(lambda text: f" ({text})" if isinstance(text, str) else "")
    return ratings, pd.DataFrame({ITEM_ID: films[ITEM_ID], TITLE: films["movie_title"].fillna("") + year})


def _check_sha256(content: bytes, expected: str, what: object, do: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(f"{what} has a wrong SHA-256", got=found, allowed=expected, do=do)


def _short(error: Exception) -> str:
    """The last line that says something: for a failed pip that is its own error message."""
    text = error.stderr if isinstance(error, subprocess.CalledProcessError) and error.stderr else str(error)
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")] or text.splitlines() or [repr(error)]
    return errors[-1].removeprefix("ERROR: ")[:300]
