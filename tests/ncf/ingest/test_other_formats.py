"""Files that are no table of columns are refused by what they are, and the advice leads to one."""

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import Case, assert_refused, ids, load, write

OBJECTS = [{"user_id": f"u{row % 20}", "item_id": f"i{row % 15}", "text": "x, y"} for row in range(140)]
BY_PLACE: dict[str, Any] = {"columns": {"user": 0, "item": 1}}
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a JSON array": (json.dumps(OBJECTS), r"is JSON, but not one object a line.*(pandas.read_json|json.load)"),
    "a JSON array over several lines": (json.dumps(OBJECTS, indent=2), "is JSON, but not one object a line"),
    "a JSON object over several lines": (json.dumps({"rows": OBJECTS}, indent=2), "is JSON, but not one object a line"),
    "JSON arrays, one a line": ('["u1", "i1", 5]\n["u2", "i2", 4]\n', "is JSON, but not one object a line"),
    "XML": ('<?xml version="1.0"?>\n<rows><row user="1" item="2"/></rows>\n', "is XML: .*pandas.read_xml"),
    "XML without a declaration": ('<rows n="1,2">\n  <row user="1" item="2"/>\n</rows>\n', "is XML"),
    "a web page": ("<!DOCTYPE html>\n<html><head>\n<title>Log in, please</title>", "is an HTML page: .*browser"),
    "a web page without a type": ("<html>\n<body>a, b</body>", "is an HTML page"),
    "an old pickle": (pickle.dumps([("u1", "i1")], protocol=0), "is a Python pickle"),
    "a pickle": (pickle.dumps([("u1", "i1")]), "is no text: 'Python pickle'"),
    "a pickled DataFrame": (pickle.dumps(pd.DataFrame({"user_id": [1]}), protocol=2), "is no text: 'Python pickle'"),
    "a pointer of Git LFS": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n",
        "is a pointer of Git LFS .*git lfs pull",
    ),
    "an SQL dump": ("-- MySQL dump 10.13\n--\nCREATE TABLE `a` (`b` int, `c` int);\n", "is an SQL dump: .*as CSV"),
    "inserts": ("INSERT INTO log VALUES (1,2);\nINSERT INTO log VALUES (1,3);\n", "is an SQL dump"),
    "ARFF": ("@RELATION log\n@ATTRIBUTE user NUMERIC\n@DATA\n1,2\n", "is an ARFF file: .*loadarff"),
    "Matrix Market": ("%%MatrixMarket matrix coordinate real general\n3 3 2\n1 2 5.0\n", "is a Matrix Market file"),
}


@pytest.mark.parametrize("settings", [{}, BY_PLACE, {"format": "text", "separator": ","}])
@pytest.mark.parametrize("case", REFUSED)
def test_other_formats_are_refused_by_what_they_are(tmp_path: Path, case: str, settings: dict[str, Any]) -> None:
    content, words = REFUSED[case]
    refused: Case = {"log.csv": content}, "log.csv", settings, f"log.csv {words}"
    assert_refused(tmp_path, refused)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("".join(json.dumps(row) + "\n" for row in OBJECTS[:1]), "is JSON Lines: .*set format to json"),
        ('\n{"user_id": "u0", "item_id": "i0"}\n', "is JSON Lines"),
        ("{u'user_id': u'u0', u'item_id': u'i0'}\n", "is Python dictionaries, .*set format to json"),
    ],
)
def test_json_lines_are_no_text_and_are_read_as_the_advice_says(tmp_path: Path, content: str, words: str) -> None:
    assert_refused(tmp_path, ({"log.csv": content}, "log.csv", {"format": "text"}, f"log.csv {words}"))
    for form in ("json", "auto"):
        assert ids(load(tmp_path / "log.csv", format=form)) == (["u0"], ["i0"])


@pytest.mark.parametrize("user", ["[a]", "{b}", "<c>", "[1, 2]", "1:", "c1", "cnump", "(lp", "@relatio", "-- x"])
def test_ids_that_only_begin_alike_are_read(tmp_path: Path, user: str) -> None:
    text = f"{user}\ti1\n{user}2\ti2\n"
    assert ids(load(tmp_path / "log.tsv", text, **BY_PLACE)) == ([user, f"{user}2"], ["i1", "i2"])


NETFLIX = "".join(
    line
    for film in range(1, 8)
    for line in (f"{film}:\n", *(f"{1488000 + user},{user % 5 + 1},2019-10-{film:02}\n" for user in range(1, 21)))
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_netflix_prize_is_refused_and_the_advice_reads_it(tmp_path: Path, end: str) -> None:
    with pytest.raises(DataError, match=r"in the shape of the Netflix Prize.*: '1:'.*write a row for each") as error:
        load(tmp_path / "combined_data_1.txt", NETFLIX.replace("\n", end), **BY_PLACE)
    command = error.value.do[error.value.do.index("awk") :]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    ratings = load(tmp_path / "ratings.csv")
    users, items = ids(ratings)
    assert (len(users), set(users), set(items)) == (140, set(range(1488001, 1488021)), set(range(1, 8)))
    assert ratings.frame["rating"].tolist()[:5] == [2.0, 3.0, 4.0, 5.0, 1.0]
    assert pd.to_datetime(ratings.frame["timestamp"].iloc[-1], unit="us") == pd.Timestamp("2019-10-07")


def test_a_json_array_is_read_after_the_advice_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="set format to json") as error:
        load(tmp_path / "log.csv", json.dumps(OBJECTS), format="text")
    monkeypatch.chdir(tmp_path)
    follow(error.value.do.split(", and set")[0])
    assert len(load(tmp_path / "log.jsonl", format="json").frame) == 140


def follow(advice: str) -> None:
    """Run the Python that an error proposes."""
    exec("import pandas; " + advice[advice.index(": ") + 2 if ": " in advice else advice.index("pandas") :])


MIND = "".join(f"{row}\tU{row % 20}\t11/11/2019 9:05:58 AM\t{{}}\tN{row}-1 N{row + 1}-0\n" for row in range(140))
HISTORIES = [f"N{row} N{row * 7 % 40} N{row * 3 % 40}" for row in range(140)]


@pytest.mark.parametrize("column", [3, 4])
def test_lists_of_ids_in_a_cell_are_refused_and_the_advice_reads_them(tmp_path: Path, column: int) -> None:
    text = MIND.replace("{}", "{}", 1).format(*["", *HISTORIES[1:]])
    with pytest.raises(
        DataError, match=r"behaviors.tsv, line [12] has a list of ids in one cell, not one item_id"
    ) as error:
        load(tmp_path / "behaviors.tsv", text, columns={"user": 1, "item": column})
    assert error.value.do.startswith("set item_separator to ' '")
    places = {"user": 1, "item": column}
    users, items = ids(load(tmp_path / "behaviors.tsv", columns=places, item_separator=" "))
    assert len(users) == (139 * 3 if column == 3 else 280)
    assert users[:3] == (["U1"] * 3 if column == 3 else ["U0", "U0", "U1"])
    assert items[:3] == (["N1", "N7", "N3"] if column == 3 else ["N0-1", "N1-0", "N1-1"])


LISTS = [
    "1 2 3|4 5|6 7 8 9",
    "[1, 2, 3]|[4]|[5, 6]",
    "['a1', 'b2']|['c3']|['d4', 'e5', 'f6']",
    "t1,t2|t3,t4|t5",
    "1;2;3|4;5|6;7",
]


def test_lists_in_brackets_are_read_after_the_advice_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.tsv").write_text("".join(f"u{row}\t{cell}\n" for row, cell in enumerate(LISTS[1].split("|"))))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="write such rows with pandas") as error:
        load(tmp_path / "log.tsv", columns={"user": 0, "item": 1})
    follow(error.value.do)
    assert ids(load(tmp_path / "log.csv", columns={"user": 0, "item": 1})) == (
        ["u0", "u0", "u0", "u1", "u2", "u2"],
        [1, 2, 3, 4, 5, 6],
    )


@pytest.mark.parametrize("cells", LISTS)
def test_lists_of_all_kinds_are_refused(tmp_path: Path, cells: str) -> None:
    text = "".join(f"u{row}\t{cell}\n" for row, cell in enumerate(cells.split("|")))
    with pytest.raises(DataError, match="has a list of ids in one cell, not one item_id"):
        load(tmp_path / "log.tsv", "user_id\titem_id\n" + text)


@pytest.mark.parametrize(
    "names",
    [["The Beatles", "Blink 182", "Maroon 5"], ["12 34", "56 78", "9 10"], ["2019-10-01 00:00", "2019-10-02 01:00"]],
)
def test_ids_with_blanks_are_no_lists(tmp_path: Path, names: list[str]) -> None:
    text = "".join(f"u{row}\t{name}\n" for row, name in enumerate(names))
    assert ids(load(tmp_path / "log.tsv", "user_id\titem_id\n" + text))[1] == names


@pytest.mark.parametrize(
    ("text", "settings", "do"),
    [
        ('"u1"::"i1"\n"u2"::"i2"\n', BY_PLACE, "a separator of one letter"),
        ('"u1","i1"\n"u2","i2"\n', BY_PLACE | {"quoting": "none"}, "set quoting to auto"),
    ],
)
def test_ids_in_quotes_that_are_letters_are_refused(
    tmp_path: Path, text: str, settings: dict[str, Any], do: str
) -> None:
    with pytest.raises(DataError, match=f"has each user_id in double quotes.*{do}"):
        load(tmp_path / "log.dat", text, **settings)
    write(tmp_path / "log.dat", text.replace("::", ","))
    assert ids(load(tmp_path / "log.dat", **BY_PLACE)) == (["u1", "u2"], ["i1", "i2"])
