"""Text files that are refused, each with what the user is told."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ncf.ingest.config import FileSource
from tests.ncf.ingest.log_files import CSV, HEAD, LINES, Case, assert_refused, table

CONTENTS: dict[str, tuple[str | bytes, str]] = {
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
    "no header": (
        LINES,
        r"no column user_id; it has: \['7', .* first line looks like data: if so, set header to false",
    ),
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
        CSV + ",1,4,5\n",
        r"log.csv, line 5 has an unusable user_id \(column user_id\): ''.*not be empty",
    ),
    "empty item": (HEAD + "7,,4,5\n" + LINES, r"log.csv, line 2 has an unusable item_id \(column item_id\): ''"),
    "empty rating": (HEAD + "7,1,,5\n" + LINES, r"log.csv, line 2 has an unusable rating \(column rating\): ''"),
    "empty timestamp": (CSV + "7,3,4,\n" * 2, r"line 5 has an unusable timestamp .*: ''.* the 2 such lines"),
    "empty ISO time": (
        "user_id,item_id,timestamp\n7,1,2024-01-01\n7,2,2024-01-01\n7,3,\n",
        r"line 4 has an unusable timestamp",
    ),
    "empty quoted user": (CSV + '"",1,4,5\n', r"log.csv, line 5 has an unusable user_id"),
    "NULL among integers": (CSV + "NULL,1,4,5\n", r"log.csv, line 5 has an unusable user_id: 'NULL'"),
    "NaN among integers": (HEAD + "7,NaN,4,5\n" + LINES, r"log.csv, line 2 has an unusable item_id: 'NaN'"),
    "text for a rating": (
        CSV + "7,3,five,5\n",
        r"line 5 has an unusable rating \(column rating\): 'five'.*finite",
    ),
    "decimal comma": ("user_id;item_id;rating\n7;1;4\n7;2;4,5\n", r"line 3 has an unusable rating .*'4,5'"),
    "text for a timestamp": (CSV + "7,3,4,now\n", r"line 5 has an unusable timestamp .*: 'now'"),
    "NaN rating": (CSV + "7,3,nan,5\n", r"log.csv, line 5 has an unusable rating.*nan"),
    "infinite rating": (HEAD + "7,3,inf,5\n" + LINES, r"log.csv, line 2 has an unusable rating.*inf"),
    "endless rating": (CSV + "7,3,1e999,5\n", r"log.csv, line 5 has an unusable rating"),
    "timestamp beyond 64 bits": (
        CSV + "7,3,4,9223372036854775808\n",
        r"line 5 has an unusable timestamp .*64 bits",
    ),
    "too many columns": (
        CSV + "7,3,4,5,6\n",
        r"log.csv: 1 lines have too many or too few columns: 'line 5 has 5'; allowed: 4 columns divided by ','",
    ),
    "too few columns": (HEAD + "7,3\n" + LINES + "7\n", r"2 lines .* columns: 'line 2 has 2, line 6 has 1'"),
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
        CSV + '7,"3,4,5\n8,1,4,5\n',
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
    "UTF-16": (CSV.encode("utf-16"), r"log.csv is not in UTF-8, but in UTF-16; what to do: set encoding"),
    "binary": (bytes(range(256)) * 10, r"log.csv is no text in utf-8: it has zero bytes"),
    "zero bytes further on": (HEAD + LINES * 30_000 + "7,\0,4,5\n", r"log.csv .*zero byte"),
    "Parquet in gzip": (gzip.compress(table()), r"log.csv is no Parquet file: 'gzip'; what to do: unpack it first"),
    "one column": ("user_id\n7\n8\n", r"no separator divides the first line of .*log.csv: 'user_id'"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_text_is_refused(tmp_path: Path, case: str) -> None:
    content, message = CONTENTS[case]
    told = assert_refused(tmp_path, ({"log.csv": content}, "log.csv", {}, message))
    assert str(tmp_path / "log.csv") in told


WITH_SETTINGS: dict[str, Case] = {
    "wrong separator": (
        {"log.tsv": CSV.replace(",", "\t")},
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
        r"log.dat, line 3 has an unusable rating \(column at position 2\): 'x'",
    ),
    "a position beyond the last column": (
        {"log.csv": LINES},
        "log.csv",
        {"columns": {"user": 0, "item": 4}},
        r"no column at the position that columns.item gives: 4; allowed: 0 to 3",
    ),
    "a name where there is no header": (
        {"log.csv": LINES},
        "log.csv",
        {"header": False},
        r"log.csv has no names of columns, but one is asked for: 'user_id'; .*set columns.user to a position",
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
        {"log.csv": CSV},
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
    "gzip in name only": ({"log.csv.gz": CSV}, "log.csv.gz", {}, r"is not gzip-compressed as its name says"),
}


@pytest.mark.parametrize("case", WITH_SETTINGS)
def test_text_is_refused_with_these_settings(tmp_path: Path, case: str) -> None:
    assert_refused(tmp_path, WITH_SETTINGS[case])


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
