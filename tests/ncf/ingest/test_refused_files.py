"""Files that are missing, unreadable, or do not go together: each with what the user is told."""

import os
from pathlib import Path

import pytest

from ncf.errors import DataError
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings
from tests.ncf.ingest.log_files import CSV, HEAD, Case, assert_refused, table

PLACES: dict[str, Case] = {
    "no such file": (
        {"ratings.csv": HEAD},
        "rating.csv",
        {},
        r"no such file: '/.*rating.csv'; .*did you mean ratings.csv\?",
    ),
    "no such folder": (
        {},
        "a/b.csv",
        {},
        r"no such file: '/.*a/b.csv'; what to do: its folder /.*a is not there either",
    ),
    "no such file of a split": (
        {"log.csv": CSV},
        "log.csv",
        {"test_path": "test.csv"},
        r"no such file: .*test.csv",
    ),
    "nothing fits a glob": ({"log.csv": HEAD}, "*.tsv", {}, r"no file matches: '/.*\*.tsv'"),
    "a folder of other files": (
        {"log/a.md": "x", "log/b.pdf": "x"},
        "log",
        {},
        r"log has no file to read: 'a.md, b.pdf'",
    ),
    "a folder without Parquet": (
        {"log/a.csv": "x"},
        "log",
        {"format": "parquet"},
        r"no file to read: 'a.csv'.*\.parquet",
    ),
    "a folder without .inter": ({"log/a.csv": "x"}, "log", {"format": "inter"}, r"no file to read: 'a.csv'.*\.inter"),
    "an empty folder": ({"log/.keep": ""}, "log", {}, r"log has no file to read: 'an empty folder'"),
    "a folder of both kinds": ({"log/a.csv": "x", "log/b.parquet": "x"}, "log", {}, r"has both Parquet and text files"),
    "a glob of both kinds": ({"a.csv": "x", "b.parquet": "x"}, "*", {}, r"Parquet and text files together"),
    "files with different headers": (
        {"log/a.csv": CSV, "log/b.csv": "user_id,item_id,tag\n7,1,x\n"},
        "log",
        {},
        r"b.csv has other columns than .*a.csv: \['user_id', 'item_id', 'tag'\]; allowed: \['user_id', 'item_id',",
    ),
    "files with different columns and no header": (
        {"log/a.csv": "7,1\n", "log/b.csv": "7,1,5\n"},
        "log",
        {"columns": {"user": 0, "item": 1}},
        r"b.csv has other columns than .*a.csv",
    ),
    "a bad line in the second file": (
        {"log/a.csv": CSV, "log/b.csv": HEAD + "7,1,x,5\n"},
        "log",
        {},
        r"log/b.csv, line 2 has an unusable rating",
    ),
    "NaN in the second file": (
        {"log/a.csv": CSV, "log/b.csv": CSV + "7,1,nan,5\n"},
        "log",
        {},
        r"log/b.csv, line 5 has an unusable rating",
    ),
    "an empty file among others": ({"log/a.csv": CSV, "log/b.csv": ""}, "log", {}, r"b.csv is empty"),
    "a split with other columns": (
        {"log.csv": CSV, "test.csv": "user_id,item_id\n7,1\n"},
        "log.csv",
        {"test_path": "test.csv"},
        r"only one has the column: 'rating, timestamp'",
    ),
    "a split without rows": (
        {"log.csv": CSV, "test.csv": HEAD},
        "log.csv",
        {"validation_path": "test.csv"},
        r"test.csv has no rows",
    ),
    "Parquet files of different types": (
        {"log/a.parquet": table(), "log/b.parquet": table(user_id=["x", "y", "z"])},
        "log",
        {},
        r"b.parquet has other columns than .*a.parquet: 'user_id text, item_id numbers'",
    ),
    "titles that are not there": (
        {"log.csv": CSV},
        "log.csv",
        {"titles_path": "films.csv"},
        r"no such file: .*films.csv",
    ),
    "titles without items": (
        {"log.csv": CSV, "films.csv": "id,title\n1,x\n"},
        "log.csv",
        {"titles_path": "films.csv"},
        r"films.csv has no column item_id; .*titles_item",
    ),
    "titles without titles": (
        {"log.csv": CSV, "films.csv": "item_id,genre\n1,x\n"},
        "log.csv",
        {"titles_path": "films.csv"},
        r"films.csv has no column title; .*titles_title",
    ),
    "titles in another encoding": (
        {"log.csv": CSV, "films.csv": b"item_id,title\n1,x\n2,caf\xe9\n"},
        "log.csv",
        {"titles_path": "films.csv"},
        r"films.csv, line 3 has an unusable title .*latin-1",
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_files_are_refused(tmp_path: Path, case: str) -> None:
    assert_refused(tmp_path, PLACES[case])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/log.csv", r"s3://bucket/log.csv needs a driver that is not installed.*s3fs.*pip install"),
        ("nonsense://x/log.csv", r"this location is unknown: 'nonsense://x/log.csv'; allowed: a path, or a URL"),
        ("memory://nothing/log.csv", r"no such file: 'memory:///nothing/log.csv'"),
    ],
)
def test_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_ratings(FileSource(path=url))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(CSV)
    path.chmod(0)
    with pytest.raises(DataError, match=r"log.csv may not be read.*give this account the right"):
        load_ratings(FileSource(path=str(path)))


def test_every_file_is_looked_at_before_the_first_is_read(tmp_path: Path) -> None:
    """A titles file that is not there is told at once, not after minutes of reading."""
    (tmp_path / "log.csv").write_text(HEAD + "bad line\n")
    with pytest.raises(DataError, match=r"no such file: .*films.csv"):
        load_ratings(FileSource(path=str(tmp_path / "log.csv"), titles_path=str(tmp_path / "films.csv")))
