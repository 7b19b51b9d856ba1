"""Files that are refused, each with what the user is told."""

import gzip
import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from ncf.data.sources.config import FileSource
from ncf.data.sources.load import load_ratings
from ncf.errors import DataError

HEAD = "user_id,item_id,rating,timestamp\n"
ROWS = "7,1,4,1000000001\n7,2,5,1000000002\n9,1,3,1000000003\n"


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        files.writestr("log.csv", HEAD + ROWS)
    return content.getvalue()


def table(**columns: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"user_id": [7, 7, 9], "item_id": [1, 2, 1]} | columns), content)
    return content.getvalue()


def refused(folder: Path, files: dict[str, str | bytes], path: str, settings: dict[str, Any]) -> str:
    """Write the files, load one of them, and give the error."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = {k: str(folder / v) if k.endswith("_path") else v for k, v in settings.items()}
    with pytest.raises(DataError) as error:
        load_ratings(FileSource(path=str(folder / path), **settings))
    return str(error.value)


LINES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", r"log.csv is empty"),
    "blank lines alone": ("\n\n  \n", r"log.csv is empty"),
    "header alone": (HEAD, r"log.csv has no rows; what to do: check that it was written to the end"),
    "no user column": (
        "person,item_id\n7,1\n",
        r"log.csv has no column user_id; it has: \['person', 'item_id'\]; what to do: set columns.user to a name",
    ),
    "no item column, but one of a similar name": (
        "user_id,itm_id\n7,1\n",
        r"no column item_id; it has: \['user_id', 'itm_id'\]; what to do: did you mean 'itm_id'\?",
    ),
    "no header": (ROWS, r"no column user_id; it has: \['7', .* first line looks like data: if so, set header to false"),
    "several columns may be the users": (
        "uid,customer,item_id\n7,7,1\n",
        r"several columns that may be user_id: \['uid'",
    ),
    "several columns may be the times": (
        "user_id,item_id,date,time\n7,1,2,3\n",
        r"that may be timestamp: \['date', 'time'",
    ),
    "two columns of one name": ("user_id,item_id,user_id\n7,1,8\n", r"log.csv has 2 columns of one name: 'user_id'"),
    "empty user": (
        HEAD + ROWS + ",1,4,5\n",
        r"log.csv, line 5 has an unusable user_id \(column user_id\): ''.*not be empty",
    ),
    "empty item": (HEAD + "7,,4,5\n" + ROWS, r"log.csv, line 2 has an unusable item_id \(column item_id\): ''"),
    "empty rating": (HEAD + "7,1,,5\n" + ROWS, r"log.csv, line 2 has an unusable rating \(column rating\): ''"),
    "empty timestamp": (HEAD + ROWS + "7,3,4,\n" * 2, r"line 5 has an unusable timestamp .*: ''.* the 2 such lines"),
    "empty ISO time": (
        "user_id,item_id,timestamp\n7,1,2024-01-01\n7,2,2024-01-01\n7,3,\n",
        r"line 4 has an unusable timestamp",
    ),
    "empty quoted user": (HEAD + ROWS + '"",1,4,5\n', r"log.csv, line 5 has an unusable user_id"),
    "NULL among integers": (HEAD + ROWS + "NULL,1,4,5\n", r"log.csv, line 5 has an unusable user_id: 'NULL'"),
    "NaN among integers": (HEAD + "7,NaN,4,5\n" + ROWS, r"log.csv, line 2 has an unusable item_id: 'NaN'"),
    "text for a rating": (
        HEAD + ROWS + "7,3,five,5\n",
        r"line 5 has an unusable rating \(column rating\): 'five'.*finite",
    ),
    "decimal comma": ("user_id;item_id;rating\n7;1;4\n7;2;4,5\n", r"line 3 has an unusable rating .*'4,5'"),
    "text for a timestamp": (HEAD + ROWS + "7,3,4,now\n", r"line 5 has an unusable timestamp .*: 'now'"),
    "NaN rating": (HEAD + ROWS + "7,3,nan,5\n", r"log.csv, line 5 has an unusable rating.*nan"),
    "infinite rating": (HEAD + "7,3,inf,5\n" + ROWS, r"log.csv, line 2 has an unusable rating.*inf"),
    "endless rating": (HEAD + ROWS + "7,3,1e999,5\n", r"log.csv, line 5 has an unusable rating"),
    "timestamp beyond 64 bits": (
        HEAD + ROWS + "7,3,4,9223372036854775808\n",
        r"line 5 has an unusable timestamp .*64 bits",
    ),
    "too many columns": (
        HEAD + ROWS + "7,3,4,5,6\n",
        r"log.csv: 1 lines have too many or too few columns: 'line 5 has 5'; allowed: 4 columns divided by ','",
    ),
    "too few columns": (HEAD + "7,3\n" + ROWS + "7\n", r"2 lines .* columns: 'line 2 has 2, line 6 has 1'"),
    "many such lines": (
        HEAD + "7,1,2\n" * 1200,
        r"1,200 lines have .*: 'line 2 has 3, .*line 11 has 3, \.\.\.'",
    ),
    "such a line after quoted newlines": (HEAD + '7,"1\n2\n3",4,5\n\n7,3\n', r"'line 6 has 2'"),
    "bad value after quoted newlines": (
        HEAD + '7,"1\r\n2",4,5\r\n\r\n7,3,x,1\r\n',
        r"log.csv, line 5 has an unusable rating",
    ),
    "NaN after quoted newlines": (HEAD + '7,"1\n2",4,5\n\n7,3,nan,1\n', r"log.csv, line 5 has an unusable rating"),
    "quote never closed": (
        HEAD + ROWS + '7,"3,4,5\n8,1,4,5\n',
        r"log.csv: 1 lines .*line 5 has 2|line 5 opens a double quote",
    ),
    "quote never closed in the last column": (
        'user_id,item_id,title\n7,1,x\n7,2,"y\n8,1,z\n8,2,z\n',
        r"log.csv, line 3 opens a double quote that is never closed",
    ),
    "not UTF-8": (
        b"user_id,item_id\n7,1\ncaf\xe9,2\n",
        r"log.csv, line 3 has an unusable user_id .*: b'caf\\xe9'; allowed: text in utf-8; .*latin-1",
    ),
    "name of a column not UTF-8": (b"user_id,item_id,caf\xe9\n7,1,2\n", r"log.csv, line 1 is not in utf-8: .*latin-1"),
    "UTF-16": ((HEAD + ROWS).encode("utf-16"), r"log.csv is not in UTF-8, but in UTF-16; what to do: set encoding"),
    "binary": (bytes(range(256)) * 10, r"log.csv is no text in utf-8: it has zero bytes"),
    "zero bytes further on": (HEAD + ROWS * 30_000 + "7,\0,4,5\n", r"log.csv .*zero byte"),
    "zip": (archive(), r"log.csv is no text: 'zip archive or Excel'; what to do: unpack it first"),
    "Parquet": (table(), r"log.csv is no text: 'Parquet'; what to do: set format to parquet"),
    "gzip without its ending": (gzip.compress(HEAD.encode()), r"log.csv is no text: 'gzip'; .*let its name end in .gz"),
    "one column": ("user_id\n7\n8\n", r"no separator divides the first line of .*log.csv: 'user_id'"),
}


@pytest.mark.parametrize("case", LINES)
def test_text_is_refused(tmp_path: Path, case: str) -> None:
    content, message = LINES[case]
    told = refused(tmp_path, {"log.csv": content}, "log.csv", {})
    assert re.search(message, told), told
    assert str(tmp_path / "log.csv") in told


PLACES: dict[str, tuple[dict[str, str | bytes], str, dict[str, Any], str]] = {
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
        {"log.csv": HEAD + ROWS},
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
        {"log/a.csv": HEAD + ROWS, "log/b.csv": "user_id,item_id,tag\n7,1,x\n"},
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
        {"log/a.csv": HEAD + ROWS, "log/b.csv": HEAD + "7,1,x,5\n"},
        "log",
        {},
        r"log/b.csv, line 2 has an unusable rating",
    ),
    "NaN in the second file": (
        {"log/a.csv": HEAD + ROWS, "log/b.csv": HEAD + ROWS + "7,1,nan,5\n"},
        "log",
        {},
        r"log/b.csv, line 5 has an unusable rating",
    ),
    "an empty file among others": ({"log/a.csv": HEAD + ROWS, "log/b.csv": ""}, "log", {}, r"b.csv is empty"),
    "a split with other columns": (
        {"log.csv": HEAD + ROWS, "test.csv": "user_id,item_id\n7,1\n"},
        "log.csv",
        {"test_path": "test.csv"},
        r"only one has the column: 'rating, timestamp'",
    ),
    "a split without rows": (
        {"log.csv": HEAD + ROWS, "test.csv": HEAD},
        "log.csv",
        {"validation_path": "test.csv"},
        r"test.csv has no rows",
    ),
    "wrong separator": (
        {"log.tsv": (HEAD + ROWS).replace(",", "\t")},
        "log.tsv",
        {"separator": ","},
        r"the separator ',' does not divide the first line of .*log.tsv: 'user_id\\titem_id.*set separator to '\\t'",
    ),
    "control character under a long separator": (
        {"log.dat": "1::2\n3::\x1f\n"},
        "log.dat",
        {"columns": {"user": 0, "item": 1}},
        r"log.dat can't be read: .*0x1F",
    ),
    "bad value under a long separator": (
        {"log.dat": "1::2::5\n\n3::4::x\n"},
        "log.dat",
        {"columns": {"user": 0, "item": 1, "rating": 2}},
        r"log.dat, line 3 has an unusable rating \(column at place 2\): 'x'",
    ),
    "a place beyond the last column": (
        {"log.csv": ROWS},
        "log.csv",
        {"columns": {"user": 0, "item": 4}},
        r"no column at the place that columns.item says: 4; allowed: 0 to 3",
    ),
    "a name where there is no header": (
        {"log.csv": ROWS},
        "log.csv",
        {"header": False},
        r"log.csv has no names of columns, but one is asked for: 'user_id'; .*set columns.user to a place",
    ),
    "a name in other letters": (
        {"log.csv": "Who,What\n7,1\n"},
        "log.csv",
        {"columns": {"user": "who", "item": "What"}},
        r"has no column who; it has: \['Who', 'What'\]; what to do: did you mean 'Who'\?",
    ),
    "a rating that is not there": (
        {"log.csv": "user_id,item_id\n7,1\n"},
        "log.csv",
        {"columns": {"rating": "stars"}},
        r"has no column stars; .*columns.rating",
    ),
    "one column for two things": (
        {"log.csv": HEAD + ROWS},
        "log.csv",
        {"columns": {"user": "item_id"}},
        r"one column can't be both user_id and item_id: 'item_id'",
    ),
    "a header read as a row": (
        {"log.csv": "who,what,stars\n7,1,5\n"},
        "log.csv",
        {"columns": {"user": 0, "item": 1, "rating": 2}},
        r"log.csv, line 1 has an unusable rating .*'stars'.*header",
    ),
    "wrong bytes for an encoding": (
        {"log.csv": "user_id,item_id\n".encode("utf-16") + b"\x00\xd8\x00"},
        "log.csv",
        {"encoding": "utf-16"},
        r"log.csv .*utf-16",
    ),
    "gzip cut short": (
        {"log.csv.gz": gzip.compress(os.urandom(9).hex().encode() * 99)[:-9]},
        "log.csv.gz",
        {},
        r"can't be read",
    ),
    "gzip cut short further on": (
        {
            "log.csv.gz": gzip.compress(
                (HEAD + "".join(f"{n},{n * 7919 % 1000},4,{n}\n" for n in range(1, 90_000))).encode()
            )[:-9]
        },
        "log.csv.gz",
        {},
        r"log.csv.gz can't be read: 'Truncated compressed stream'; what to do: copy or write it again",
    ),
    "gzip in name only": ({"log.csv.gz": HEAD + ROWS}, "log.csv.gz", {}, r"is not gzip-compressed as its name says"),
    "zstd called gzip": (
        {"log.csv.gz": pa.compress(b"abc" * 9, "zstd", asbytes=True)},
        "log.csv.gz",
        {},
        r"is no text: 'zstd'",
    ),
    "Parquet cut short": (
        {"log.parquet": table()[:-50]},
        "log.parquet",
        {},
        r"log.parquet can't be read: .*write it again",
    ),
    "Parquet of nothing": ({"log.parquet": b""}, "log.parquet", {}, r"log.parquet is empty"),
    "Parquet in name only": (
        {"log.parquet": HEAD + ROWS},
        "log.parquet",
        {},
        r"log.parquet is no Parquet file: 'text'",
    ),
    "Parquet without rows": (
        {"log.parquet": table(user_id=pa.array([], pa.int64()), item_id=pa.array([], pa.int64()))},
        "log.parquet",
        {},
        r"has no rows",
    ),
    "Parquet without users": (
        {"log.parquet": table().replace(b"user_id", b"xser_ix")},
        "log.parquet",
        {},
        r"no column user_id; it has: \['xser_ix'",
    ),
    "Parquet without an id": (
        {"log.parquet": table(user_id=pa.array([7, None, 9]))},
        "log.parquet",
        {},
        r"row 2 has an empty user_id \(column user_id\)",
    ),
    "Parquet with an empty id": (
        {"log.parquet": table(item_id=["x", "", "y"])},
        "log.parquet",
        {},
        r"log.parquet, row 2 has an unusable item_id",
    ),
    "Parquet with a fraction as id": (
        {"log.parquet": table(user_id=[7.0, 7.5, 9.0])},
        "log.parquet",
        {},
        r"column user_id.*7.5; allowed: integers or text",
    ),
    "Parquet with lost ids": (
        {"log.parquet": table(user_id=[7.0, np.nan, 9.0])},
        "log.parquet",
        {},
        r"column user_id.*nan",
    ),
    "Parquet with ids of bool": (
        {"log.parquet": table(user_id=[True, False, True])},
        "log.parquet",
        {},
        r"unusable type: 'bool'",
    ),
    "Parquet with ids beyond int64": (
        {"log.parquet": table(user_id=pa.array([1, 2, 2**64 - 1], pa.uint64()))},
        "log.parquet",
        {},
        r"column user_id can't be read",
    ),
    "Parquet with ratings of text": (
        {"log.parquet": table(rating=["4", "5", "x"])},
        "log.parquet",
        {},
        r"column rating has no numbers: 'string'",
    ),
    "Parquet with times of bool": (
        {"log.parquet": table(timestamp=[True] * 3)},
        "log.parquet",
        {},
        r"column timestamp has no times: 'bool'",
    ),
    "Parquet with a NaN rating": (
        {"log.parquet": table(rating=[4.0, np.nan, 3.0])},
        "log.parquet",
        {},
        r"log.parquet, row 2 has an unusable rating",
    ),
    "Parquet files of different types": (
        {"log/a.parquet": table(), "log/b.parquet": table(user_id=["x", "y", "z"])},
        "log",
        {},
        r"b.parquet has other columns than .*a.parquet: 'user_id string, item_id int64'",
    ),
    "titles that are not there": (
        {"log.csv": HEAD + ROWS},
        "log.csv",
        {"titles_path": "films.csv"},
        r"no such file: .*films.csv",
    ),
    "titles without items": (
        {"log.csv": HEAD + ROWS, "films.csv": "id,title\n1,x\n"},
        "log.csv",
        {"titles_path": "films.csv"},
        r"films.csv has no column item_id; .*titles_item",
    ),
    "titles without titles": (
        {"log.csv": HEAD + ROWS, "films.csv": "item_id,genre\n1,x\n"},
        "log.csv",
        {"titles_path": "films.csv"},
        r"films.csv has no column title; .*titles_title",
    ),
    "titles in another encoding": (
        {"log.csv": HEAD + ROWS, "films.csv": b"item_id,title\n1,x\n2,caf\xe9\n"},
        "log.csv",
        {"titles_path": "films.csv"},
        r"films.csv, line 3 has an unusable title .*latin-1",
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_files_are_refused(tmp_path: Path, case: str) -> None:
    files, path, settings, message = PLACES[case]
    told = refused(tmp_path, files, path, settings)
    assert re.search(message, told), told


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/log.csv", r"s3://bucket/log.csv needs a driver that is not installed.*s3fs.*pip install"),
        ("nonsense://x/log.csv", r"this place is unknown: 'nonsense://x/log.csv'; allowed: a path, or a URL"),
        ("memory://nothing/log.csv", r"no such file: 'memory:///nothing/log.csv'"),
    ],
)
def test_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_ratings(FileSource(path=url))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"encoding": "utf-9"}, "unknown encoding 'utf-9'"),
        ({"encoding": "rot13"}, "unknown encoding 'rot13'"),
        ({"separator": '"'}, "must not have quotes"),
        ({"separator": ""}, "at least 1 character"),
        ({"columns": {"user": -1}}, "greater than or equal to 0"),
        ({"path": ""}, "at least 1 character"),
    ],
)
def test_setting_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileSource.model_validate({"path": "log.csv"} | setting)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEAD + ROWS)
    path.chmod(0)
    with pytest.raises(DataError, match=r"log.csv may not be read.*give this account the right"):
        load_ratings(FileSource(path=str(path)))


def test_every_file_is_looked_at_before_the_first_is_read(tmp_path: Path) -> None:
    """A titles file that is not there is told at once, not after minutes of reading."""
    (tmp_path / "log.csv").write_text(HEAD + "bad line\n")
    with pytest.raises(DataError, match=r"no such file: .*films.csv"):
        load_ratings(FileSource(path=str(tmp_path / "log.csv"), titles_path=str(tmp_path / "films.csv")))
