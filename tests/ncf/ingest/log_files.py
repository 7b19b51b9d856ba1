"""Small log files: loading them, and the errors of those that are refused."""

import io
import re
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings

HEAD = "user_id,item_id,rating,timestamp\n"
LINES = "7,1,4,1000000001\n7,2,5,1000000002\n9,1,3.5,1000000003\n"
CSV = HEAD + LINES
ROWS: dict[str, list[Any]] = {
    "user_id": [7, 7, 9],
    "item_id": [1, 2, 1],
    "rating": [4.0, 5.0, 3.5],
    "timestamp": [1000000001_000000, 1000000002_000000, 1000000003_000000],
}
Case: TypeAlias = tuple[dict[str, str | bytes], str, dict[str, Any], str]  # files, path, settings, words of the error


def load(path: object, content: str | bytes | None = None, **settings: Any) -> Ratings:
    if content is not None:
        write(Path(str(path)), content)
    return load_ratings(FileSource(path=str(path), **settings))


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def rows(ratings: Ratings) -> dict[str, list[Any]]:
    return {str(name): values for name, values in ratings.frame.to_dict("list").items()}


def ids(ratings: Ratings) -> tuple[list[Any], list[Any]]:
    return ratings.frame["user_id"].tolist(), ratings.frame["item_id"].tolist()


def table(**columns: Any) -> bytes:
    """A Parquet file with the ids of ROWS and further columns."""
    content = io.BytesIO()
    pq.write_table(pa.table({"user_id": ROWS["user_id"], "item_id": ROWS["item_id"]} | columns), content)
    return content.getvalue()


def assert_refused(folder: Path, case: Case) -> str:
    """Write the files, load one of them, and look for the words in the error. Returns it."""
    files, path, settings, words = case
    for name, content in files.items():
        write(folder / name, content)
    settings = {k: str(folder / v) if k.endswith("_path") else v for k, v in settings.items()}
    with pytest.raises(DataError) as error:
        load_ratings(FileSource(path=str(folder / path), **settings))
    message = str(error.value)
    assert re.search(words, message), message
    return message
