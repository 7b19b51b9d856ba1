"""A log of three rows as text, and what is read of files."""

from pathlib import Path
from typing import Any

from ncf.data.ratings import Ratings
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings

CSV = "user_id,item_id,rating,timestamp\n7,1,4,1000000001\n7,2,5,1000000002\n9,1,3.5,1000000003\n"
ROWS: dict[str, list[Any]] = {
    "user_id": [7, 7, 9],
    "item_id": [1, 2, 1],
    "rating": [4.0, 5.0, 3.5],
    "timestamp": [1000000001_000000, 1000000002_000000, 1000000003_000000],
}


def load(path: object, content: str | bytes | None = None, **settings: Any) -> Ratings:
    if content is not None:
        Path(str(path)).write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_ratings(FileSource(path=str(path), **settings))


def rows(ratings: Ratings) -> dict[str, list[Any]]:
    return {str(name): values for name, values in ratings.frame.to_dict("list").items()}


def ids(ratings: Ratings) -> tuple[list[Any], list[Any]]:
    return ratings.frame["user_id"].tolist(), ratings.frame["item_id"].tolist()
