"""MovieLens 100K out of a package: for a machine that reaches a package index, but not GroupLens."""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

from ncf.data.ratings import ITEM_ID, TITLE
from ncf.data.sources.unpack import GENRES, genres_text
from ncf.errors import DataError

WHEEL = "recbole==1.2.1"  # carries the same ratings
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"  # of GroupLens' u.data
SECONDS = 300.0


def from_package_index() -> tuple[bytes, pd.DataFrame]:
    """The content of u.data, and the items: columns item_id, title and genres.

    Raises:
        DataError: the index can't be reached or does not have the package, or it is not the published one.
    """
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return _from_wheel(_download(Path(scratch)))
    except (OSError, ValueError, KeyError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
        raise DataError(_short(error), do="use a package index that has it") from error


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    subprocess.run(
        [*command, "--dest", str(scratch), WHEEL],
        check=True,
        stdout=None if sys.stdout.isatty() else subprocess.DEVNULL,  # pip's own progress bar
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
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
