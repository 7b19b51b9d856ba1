"""How text files are written: preambles, comments, decimal commas, parts in ways of their own."""

import codecs
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ncf.errors import DataError
from ncf.ingest.config import FileSource
from tests.ncf.ingest.log_files import CSV, HEAD, LINES, ROWS, ids, load, rows, write

NO_HEADER = {"columns": {"user": 0, "item": 1, "rating": 2, "timestamp": 3}}


@pytest.mark.parametrize("said", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
@pytest.mark.parametrize("header", [True, False])
def test_a_first_line_that_names_the_separator(tmp_path: Path, said: str, header: bool) -> None:
    text = (CSV if header else LINES).replace(",", ";")
    ratings = load(tmp_path / "export.csv", f"{said}\n{text}", **({} if header else NO_HEADER))
    assert rows(ratings) == ROWS
    assert ratings.tally.notes == ()


def test_the_named_separator_holds_where_another_one_divides_the_lines_too(tmp_path: Path) -> None:
    ratings = load(tmp_path / "e.csv", "sep=|\n7,1|1,5\n9,2|2,5\n", columns={"user": 0, "item": 1})
    assert ids(ratings) == (["7,1", "9,2"], ["1,5", "2,5"])


@pytest.mark.parametrize("text", ["made on Monday\n\n{}", "made on\n7,1\n{}", '"open\n7,1\n{}'])
@pytest.mark.parametrize("header", [True, False])
def test_lines_at_the_top_are_passed_over(tmp_path: Path, text: str, header: bool) -> None:
    settings = {} if header else NO_HEADER
    path = tmp_path / "log.csv"
    assert rows(load(path, text.format(CSV if header else LINES), skip_rows=2, **settings)) == ROWS
    with pytest.raises(DataError, match=f"line {8 if header else 7} has an unusable rating"):
        load(path, text.format(CSV if header else LINES) + "\n7,3,x,5\n", skip_rows=2, **settings)


def test_a_file_of_nothing_but_its_top_is_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"log.csv is empty after its first 9 lines"):
        load(tmp_path / "log.csv", CSV, skip_rows=9)


@pytest.mark.parametrize("separator", [",", "::"])
def test_comments_are_passed_over_and_counted(tmp_path: Path, separator: str) -> None:
    lines = CSV.replace(",", separator).splitlines()
    text = f"# from the shop\n{lines[0]}\n# a,b\n{lines[1]}\n#\n{lines[2]}\n{lines[3]}\n#end"
    ratings = load(tmp_path / "log.csv", text, comment="#")
    assert rows(ratings) == ROWS
    assert ratings.tally.notes == ("lines that begin with '#', passed over: 4",)
    with pytest.raises(DataError, match="line 9 has an unusable rating"):
        load(tmp_path / "log.csv", text + "\n7,3,x,5\n".replace(",", separator), comment="#")


def test_a_letter_for_comments_within_a_line_is_a_letter(tmp_path: Path) -> None:
    assert ids(load(tmp_path / "log.csv", "user_id,item_id\na#,#1\n#b,2\n", comment="#")) == (["a#"], ["#1"])


@pytest.mark.parametrize(
    "text", ["user_id;item_id;rating\n7;1;4\n8;2;-4,5\n9;1;1e1\n", "7 1 4,0\n8 2 -4,5\n9 1 10,0\n"]
)
def test_decimal_commas_are_refused_and_the_advice_reads_them(tmp_path: Path, text: str) -> None:
    columns: dict[str, Any] = {} if text[0] == "u" else {"columns": {"user": 0, "item": 1, "rating": 2}}
    with pytest.raises(DataError, match=r"unusable rating .*'-?4,[05]'.*what to do: set decimal to ','"):
        load(tmp_path / "log.csv", text, **columns)
    ratings = load(tmp_path / "log.csv", decimal=",", **columns)
    assert ids(ratings) == ([7, 8, 9], [1, 2, 1])
    assert ratings.frame["rating"].tolist() == [4.0, -4.5, 10.0]


def test_the_setting_is_named_only_if_it_works(tmp_path: Path) -> None:
    text = "user_id;item_id;rating\n7;1;4.5\n8;2;4,5\n"
    for decimal, line in ((".", 3), (",", 2)):
        with pytest.raises(DataError, match=f"line {line} has an unusable rating .*what to do: fix or remove the line"):
            load(tmp_path / "log.csv", text, decimal=decimal)
    with pytest.raises(DataError, match=r"what to do: set decimal to '\.'"):
        load(tmp_path / "log.csv", text.replace("4,5", "4"), decimal=",")


def test_times_with_decimal_commas(tmp_path: Path) -> None:
    ratings = load(
        tmp_path / "log.csv", "user_id;item_id;timestamp\n7;1;1000000001,5\n8;2;1000000002,25\n", decimal=","
    )
    assert ratings.frame["timestamp"].tolist() == [1000000001_500000, 1000000002_250000]


OTHER = "timestamp;item_id;rating;user_id\n1000000003;1;3.5;9\n"


def test_parts_with_the_same_columns_in_another_order_and_another_separator(tmp_path: Path) -> None:
    write(tmp_path / "log/a.csv", "".join(CSV.splitlines(keepends=True)[:3]))
    write(tmp_path / "log/b.csv", OTHER)
    ratings = load(tmp_path / "log")
    assert rows(ratings) == ROWS
    (note,) = ratings.tally.notes
    assert note == f"files with their columns in another order, matched by name: 1, such as {tmp_path}/log/b.csv"
    write(tmp_path / "log/b.csv", OTHER + "1000000003;x;y;9\n")
    with pytest.raises(DataError, match=r"b.csv, line 3 has an unusable rating .*'y'"):
        load(tmp_path / "log")


def test_columns_by_place_are_those_of_the_first_part(tmp_path: Path) -> None:
    write(tmp_path / "log/a.csv", "".join(CSV.splitlines(keepends=True)[:3]))
    write(tmp_path / "log/b.csv", OTHER)
    ratings = load(tmp_path / "log", columns={"user": 0, "item": 1}, header=True)
    assert ids(ratings) == ([7, 7, 9], [1, 2, 1])


def test_parts_without_a_header_after_one_with_it(tmp_path: Path) -> None:
    first, second = CSV.splitlines(keepends=True)[:3], CSV.splitlines(keepends=True)[3:]
    write(tmp_path / "log/aa.csv", "".join(first))
    write(tmp_path / "log/ab.csv", "".join(second))
    ratings = load(tmp_path / "log")
    assert rows(ratings) == ROWS
    assert ratings.tally.notes == (
        f"files without a header, read with that of the first: 1, such as {tmp_path}/log/ab.csv",
    )
    with pytest.raises(DataError, match=r"ab.csv has other columns than"):
        load(tmp_path / "log", header=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u1\ti1\tMon Oct 1 10:00:00 2019\nu2\ti2\tMon Oct 1 10:00:00 2019\n", (["u1", "u2"], ["i1", "i2"])),
        ("u1,i1,Mon Oct 1 10:00:00 2019\nu2,i2,Mon Oct 1 10:00:00 2019\n", (["u1", "u2"], ["i1", "i2"])),
        ("u1,i1,2019-10-01 00:00:01\nu2,i2,2019-10-01 00:00:01\n", (["u1", "u2"], ["i1", "i2"])),
        ("u1 i1 4,5\nu2 i2 3,5\n", (["u1", "u2"], ["i1", "i2"])),
        ("u1;i1;4,5;1,5\nu2;i2;3,5;2,5\n", (["u1", "u2"], ["i1", "i2"])),
        ("u1\tA, B, C, D\nu2\tE, F, G, H\n", (["u1", "u2"], ["A, B, C, D", "E, F, G, H"])),
        ("u1::A|B|C\nu2::D|E|F\n", (["u1", "u2"], ["A|B|C", "D|E|F"])),
        ('u1,i1,"a;b;c;d"\nu2,i2,"e;f;g"\n', (["u1", "u2"], ["i1", "i2"])),
    ],
)
def test_a_separator_within_the_cells_is_not_taken_for_that_of_the_file(
    tmp_path: Path, text: str, expected: Any
) -> None:
    assert ids(load(tmp_path / "log.txt", text, columns={"user": 0, "item": 1})) == expected


def test_where_two_separators_divide_all_lines_alike_the_user_is_asked(tmp_path: Path) -> None:
    text = "1,Jumanji,A|B|C|D\n2,Heat,A|E|F|G\n"
    with pytest.raises(DataError, match=r"several separators divide all lines .*: set separator to one of ',' '\|'"):
        load(tmp_path / "log.csv", text, columns={"user": 0, "item": 1})
    assert ids(load(tmp_path / "log.csv", separator=",", columns={"user": 0, "item": 1})) == (
        [1, 2],
        ["Jumanji", "Heat"],
    )


@pytest.mark.parametrize("rows_before", [3, 300_000])
@pytest.mark.parametrize("again", [HEAD, ""])
@pytest.mark.parametrize("quoting", ["auto", "rfc", "none"])
def test_a_byte_order_mark_within_a_file_is_refused(tmp_path: Path, rows_before: int, again: str, quoting: str) -> None:
    text = (HEAD + LINES * (rows_before // 3)).encode() + codecs.BOM_UTF8 + (again + LINES).encode()
    with pytest.raises(DataError, match=rf"log.csv, line {rows_before + 2} begins with a byte order mark.*take it out"):
        load(tmp_path / "log.csv", text, quoting=quoting)


def test_a_byte_order_mark_where_two_blocks_meet_is_refused(tmp_path: Path) -> None:
    for cut in (1, 2, 3, 4):
        filled = (1 << 24) - len(HEAD) - cut + 1
        text = HEAD.encode() + b"7,1,4,5\n" * (filled // 8) + b"7,1,4,%b\n" % (b"5" * (filled % 8 + 1))
        text = text[: (1 << 24) - cut] + b"\n" if text[-cut:] else text
        with pytest.raises(DataError, match=r"begins with a byte order mark"):
            load(tmp_path / "log.csv", text + codecs.BOM_UTF8 + b"7,2,4,5\n")


def test_two_byte_order_marks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1 begins with a byte order mark"):
        load(tmp_path / "log.csv", codecs.BOM_UTF8 * 2 + LINES.encode(), **NO_HEADER)


@pytest.mark.parametrize(
    "setting", [{"quoting": "single"}, {"skip_rows": -1}, {"comment": ""}, {"decimal": ";"}, {"comment": "a\n"}]
)
def test_a_setting_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FileSource.model_validate({"path": "log.csv"} | setting)
