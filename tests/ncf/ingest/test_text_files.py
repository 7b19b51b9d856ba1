"""Text files: separators, encodings, columns, and the types of ids."""

import bz2
import csv
import gzip
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.datasets import has_ml_1m, ml_1m_folder
from ncf.data.written_ids import COLUMN_NAME, NULL_WORDS
from ncf.errors import DataError
from tests.ncf.ingest.log_files import CSV, ROWS, ids, load, rows

TEXT = st.characters(codec="utf-8", exclude_characters="\0")
VISIBLE = st.characters(codec="utf-8", exclude_categories=("Z", "Cc", "Cf"))
IDS = st.integers(-(2**64), 2**64).map(str) | st.tuples(st.text(TEXT), VISIBLE, st.text(TEXT)).map("".join).filter(
    lambda text: not any(word in text for word in NULL_WORDS) and not re.fullmatch(COLUMN_NAME, text)
)


def test_csv_is_read_with_types_and_nothing_to_note(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.csv", CSV)
    assert rows(ratings) == ROWS
    assert [str(kind) for kind in ratings.frame.dtypes] == ["int64", "int64", "float64", "int64"]
    assert ratings.has_times
    assert ratings.splits is None
    assert ratings.tally.rows_read == 3
    assert ratings.tally.notes == ()


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " ", "\N{BROKEN BAR}", "~~"])
def test_a_separator_that_is_given_is_used(tmp_path: Path, separator: str) -> None:
    assert rows(load(tmp_path / "log.txt", CSV.replace(",", separator), separator=separator)) == ROWS


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
def test_a_separator_is_found_out(tmp_path: Path, separator: str, header: bool) -> None:
    text = CSV.replace(",", separator)
    places = {} if header else {"columns": {"user": 0, "item": 1, "rating": 2, "timestamp": 3}}
    assert rows(load(tmp_path / "log.txt", text if header else text.split("\n", 1)[1], **places)) == ROWS


def test_commas_in_titles_do_not_hide_the_tabs(tmp_path: Path) -> None:
    text = "user_id\titem_id\ttitle, year, and cast\n7\t1\tA, B, C, D\n9\t2\tE, F, G, H\n"
    assert ids(load(tmp_path / "log.txt", text)) == ([7, 9], [1, 2])


def test_backslash_t_from_a_command_line_is_a_tab(tmp_path: Path) -> None:
    assert rows(load(tmp_path / "log.txt", CSV.replace(",", "\t"), separator=r"\t")) == ROWS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_ends_of_lines_of_all_systems_and_blank_lines(tmp_path: Path, end: str, last: bool) -> None:
    text = CSV.replace("\n", end + end)
    assert rows(load(tmp_path / "log.csv", end + text if last else text.rstrip("\r\n"))) == ROWS


@pytest.mark.parametrize("separator", [",", "::"])
def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path, separator: str) -> None:
    assert rows(load(tmp_path / "log.csv", b"\xef\xbb\xbf" + CSV.replace(",", separator).encode())) == ROWS


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8"])
@pytest.mark.parametrize("separator", [",", "::"])
def test_an_encoding_that_is_given_is_used(tmp_path: Path, encoding: str, separator: str) -> None:
    text = "user_id,item_id\nJosé,café\nMüller,thé\n".replace(",", separator)
    ratings = load(tmp_path / "log.csv", text.encode(encoding), encoding=encoding)
    assert ids(ratings) == (["José", "Müller"], ["café", "thé"])


def test_bytes_of_another_encoding_do_no_harm_in_a_column_that_is_not_wanted(tmp_path: Path) -> None:
    assert ids(load(tmp_path / "log.csv", b"user_id,title,item_id\n7,caf\xe9,1\n")) == ([7], [1])


def test_quoted_fields_may_have_separators_quotes_and_newlines(tmp_path: Path) -> None:
    text = 'user_id,title,item_id\n7,"A ""B"", C\r\nand D",1\n"x,y","E\nF","2"\n'
    assert ids(load(tmp_path / "log.csv", text)) == (["7", "x,y"], [1, 2])


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("zst", lambda text: pa.compress(text, "zstd", asbytes=True)),
        ("GZ", gzip.compress),
    ],
)
@pytest.mark.parametrize("separator", [",", "::"])
def test_compressed_files(tmp_path: Path, ending: str, compress: Any, separator: str) -> None:
    text = CSV.replace(",", separator).encode()
    assert rows(load(tmp_path / f"log.csv.{ending}", compress(text))) == ROWS


def test_gzip_of_several_members(tmp_path: Path) -> None:
    first, second = CSV[:60].encode(), CSV[60:].encode()
    assert rows(load(tmp_path / "log.csv.gz", gzip.compress(first) + gzip.compress(second))) == ROWS


def test_recbole_inter(tmp_path: Path) -> None:
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + CSV.split("\n", 1)[1].replace(",", "\t")
    assert rows(load(tmp_path / "log.inter", text)) == ROWS
    assert rows(load(tmp_path / "log.txt", text, format="inter")) == ROWS


def test_recbole_inter_has_no_quotes(tmp_path: Path) -> None:
    text = 'user_id:token\titem_id:token\n"a\tb"\n"c\td\n'
    assert ids(load(tmp_path / "log.inter", text)) == (['"a', '"c'], ['b"', "d"])


@pytest.mark.parametrize(
    "written", ["userId,movieId,rating,timestamp", "User,Item,Stars,time", "uid,product_id,SCORE,unixReviewTime"]
)
def test_known_spellings_are_found_and_noted(tmp_path: Path, written: str) -> None:
    ratings = load(tmp_path / "log.csv", CSV.replace("user_id,item_id,rating,timestamp", written))
    assert rows(ratings) == ROWS
    user, item, *_ = written.split(",")
    (note,) = ratings.tally.notes
    assert f"{user} as user_id, {item} as item_id" in note


def test_columns_by_name_in_any_order_are_as_asked_for(tmp_path: Path) -> None:
    text = "when,user_id,what,who,how\n5,x,1,7,2\n6,y,2,9,1\n"
    columns = {"user": "who", "item": "what", "rating": "how", "timestamp": "when"}
    ratings = load(tmp_path / "log.csv", text, columns=columns)
    assert rows(ratings)["user_id"] == [7, 9]
    assert rows(ratings)["item_id"] == [1, 2]
    assert rows(ratings)["rating"] == [2.0, 1.0]
    assert ratings.tally.notes == ()


@pytest.mark.parametrize("user", [2, "2"])
def test_columns_by_place(tmp_path: Path, user: int | str) -> None:
    ratings = load(tmp_path / "log.dat", "1::a::7\n2::b::9\n", columns={"user": user, "item": 0})
    assert ids(ratings) == ([7, 9], [1, 2])
    assert ratings.frame["rating"].tolist() == [1.0, 1.0]
    assert not ratings.has_times


@pytest.mark.parametrize("header", [True, None])
def test_columns_by_place_under_a_header(tmp_path: Path, header: bool | None) -> None:
    assert ids(load(tmp_path / "log.csv", CSV, columns={"user": 0, "item": 1}, header=header)) == ([7, 7, 9], [1, 2, 1])


def test_a_column_whose_name_is_a_number_is_taken_by_its_name(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.csv", "1,0\n5,6\n7,8\n", columns={"user": "0", "item": "1"}, header=True)
    assert ids(ratings) == ([6, 8], [5, 7])


def test_without_rating_and_timestamp_ratings_are_one_and_no_times_are_known(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.csv", "user_id,item_id\n7,1\n9,2\n")
    assert ratings.frame["rating"].tolist() == [1.0, 1.0]
    assert not ratings.has_times


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["0", "-5", "9223372036854775807"], [0, -5, 2**63 - 1]),
        (["007", "8", "9"], ["007", "8", "9"]),
        (["8", "9", "007"], ["8", "9", "007"]),
        (["8", "9", "1.0"], [8, 9, 1]),
        (["8", "9", "1.10"], ["8", "9", "1.10"]),
        (["8", "+9", "10"], ["8", "+9", "10"]),
        (["-0", "9", "10"], ["-0", "9", "10"]),
        (["0x10", "9", "10"], ["0x10", "9", "10"]),
        (["8", "9223372036854775808", "10"], ["8", "9223372036854775808", "10"]),
        (["1e3", "9", "10"], ["1e3", "9", "10"]),
        (["true", "9", "false"], ["true", "9", "false"]),
    ],
)
def test_ids_are_integers_only_if_each_is_written_as_one(tmp_path: Path, written: list[str], expected: Any) -> None:
    ratings = load(tmp_path / "log.csv", "user_id,item_id\n" + "".join(f"{value},1\n" for value in written))
    assert ids(ratings) == (expected, [1, 1, 1])


def test_one_text_id_late_in_a_large_file_makes_all_of_them_text(tmp_path: Path) -> None:
    many = 1_500_000  # more than one block of the reader
    text = "user_id,item_id\n" + "".join(f"{row},{row % 10}\n" for row in range(many)) + "x,3\n"
    frame = load(tmp_path / "log.csv", text).frame
    assert frame["user_id"].tolist() == [*map(str, range(many)), "x"]
    assert frame["item_id"].dtype == np.int64


def test_times_that_begin_as_integers_and_go_on_with_fractions(tmp_path: Path) -> None:
    lines = "".join(f"{row},1,{1_000_000_000 + row}\n" for row in range(200))
    frame = load(tmp_path / "log.csv", f"user_id,item_id,timestamp\n{lines}200,1,1000000200.0\n").frame
    assert frame["timestamp"].tolist() == [(1_000_000_000 + row) * 1_000_000 for row in range(201)]


@given(st.lists(st.tuples(IDS, IDS, st.text(TEXT)), min_size=1))
def test_whatever_python_writes_is_read_back(written: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("user_id", "title", "item_id"))
            writer.writerows((user, title, item) for user, item, title in written)
        try:
            found = ids(load(path))
        except DataError as error:  # a field has whole rows in it, as after a stray quote
            assert "set quoting to rfc, if the rows between the quotes belong to the field" in str(error)
            found = ids(load(path, quoting="rfc"))
    for values, expected in zip(found, list(zip(*written, strict=True))[:2], strict=True):
        integers = all(re.fullmatch("0|-?[1-9][0-9]*", value) and abs(int(value)) < 2**63 for value in expected)
        assert values == [int(value) if integers else value for value in expected]


@pytest.mark.skipif(not has_ml_1m(), reason="needs the paper's MovieLens-1M")
def test_the_papers_training_file_is_read_as_pandas_reads_it() -> None:
    path = ml_1m_folder() / "ml-1m.train.rating.gz"
    frame = load(path, columns={"user": 0, "item": 1, "rating": 2, "timestamp": 3}).frame
    expected = pd.read_csv(path, sep="\t", names=["user_id", "item_id", "rating", "timestamp"])
    assert len(frame) == 994_169
    assert frame["user_id"].equals(expected["user_id"])
    assert frame["item_id"].equals(expected["item_id"])
    assert frame["rating"].equals(expected["rating"].astype(float))
    assert frame["timestamp"].equals(expected["timestamp"] * 1_000_000)


def test_what_was_understood_is_said_in_one_line_before_the_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "ncf"):
        load(tmp_path / "log.csv", CSV.replace(",", ";").replace("user_id", "uid"))
    assert caplog.messages[0] == (
        f"reading {tmp_path}/log.csv: text divided by ';', a header, utf-8; "
        "user_id = uid, item_id = item_id, rating = rating, timestamp = timestamp"
    )
