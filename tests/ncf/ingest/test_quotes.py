"""Double quotes: fields over several lines are read and told; stray ones, which would swallow rows, are refused."""

from pathlib import Path
from typing import Any

import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import ids, load, write

PLACES = {"user": 0, "item": 1, "rating": 3}
PLAYS = [f"user{row % 20:02}\tsong{row % 7}\tbetty blowtorch\t{row + 1}\n" for row in range(140)]


def plays(**names: str) -> str:
    """A log of last.fm's shape, of 140 rows; other names of artists by line."""
    lines = {int(line[4:]): name for line, name in names.items()}
    return "".join(
        text.replace("betty blowtorch", lines.get(line, "betty blowtorch")) for line, text in enumerate(PLAYS, 1)
    )


STRAY = {
    "two open, with text after the second": (
        plays(line21='"weird al yankovic', line61='"bob & barn'),
        "line 21 opens a double quote that is closed lines further on",
    ),
    "one opens, another closes": (plays(line21='"weird al yankovic', line61='the 12"'), "line 21 opens a double quote"),
    "one opens and is never closed": (plays(line21='"weird al yankovic'), "1 lines have too many .*line 21 has 3"),
    "one opens the first line": (plays(line1='"weird al', line3='12"'), "line 1 opens a double quote that is closed"),
    "in the last line": (plays(line140='"weird al yankovic'), "1 lines have too many or too few columns"),
}


@pytest.mark.parametrize("case", STRAY)
def test_a_stray_quote_that_swallows_rows_is_refused_and_the_advice_reads_them_all(tmp_path: Path, case: str) -> None:
    text, words = STRAY[case]
    with pytest.raises(DataError, match=f"log.tsv(,|:) {words}.*what to do: set quoting to none"):
        load(tmp_path / "log.tsv", text, columns=PLACES)
    ratings = load(tmp_path / "log.tsv", columns=PLACES, quoting="none")
    users, items = ids(ratings)
    assert (len(users), len(set(users)), len(set(items))) == (140, 20, 7)
    assert ratings.frame["rating"].tolist() == [float(row + 1) for row in range(140)]
    assert ratings.tally.notes == ()


def test_a_quote_far_from_the_first_lines_is_found_too(tmp_path: Path) -> None:
    many = PLAYS * 300
    many[30_000] = many[30_000].replace("betty", '"betty')
    many[35_000] = many[35_000].replace("betty blowtorch", 'the 12"')
    with pytest.raises(DataError, match=r"line 30001 opens a double quote.*set quoting to none"):
        load(tmp_path / "log.tsv", "".join(many), columns=PLACES)
    assert len(load(tmp_path / "log.tsv", columns=PLACES, quoting="none").frame) == 42_000


@pytest.mark.parametrize("name", ['7" of betty', 'betty 12"', 'b"e"tty', 'say "yes"'])
def test_quotes_within_a_field_without_quotes_are_letters(tmp_path: Path, name: str) -> None:
    text = "".join(f"u{row},{name},{row}\n" for row in range(30))
    ratings = load(tmp_path / "log.csv", text, columns={"user": 0, "item": 1, "rating": 2})
    assert ids(ratings) == ([f"u{row}" for row in range(30)], [name] * 30)
    assert ratings.tally.notes == ()


REVIEWS = """user_id,item_id,review,rating
7,1,"Good, really.

I liked it, 12 times, 4",5
8,1,fine,4
8,2,"a\r
b",3
9,2,"x ""y"" z",2
"""


def test_reviews_over_several_lines_are_read_and_told(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.csv", REVIEWS)
    assert ids(ratings) == ([7, 8, 8, 9], [1, 1, 2, 2])
    assert ratings.frame["rating"].tolist() == [5.0, 4.0, 3.0, 2.0]
    (note,) = ratings.tally.notes
    assert note.startswith("fields in quotes that go over several lines: 2, such as ")
    assert "log.csv, line 2: '\"Good, really." in note


@pytest.mark.parametrize("review", ["Nice\nyes, very, good", "u1,i1\nnice", "a\nb, c", '""\n""', "x\n,"])
def test_a_review_whose_line_happens_to_have_the_columns_of_a_row_is_read(tmp_path: Path, review: str) -> None:
    lines = "".join(f"u{row},i{row % 3},fine\n" for row in range(20))
    ratings = load(tmp_path / "log.csv", f'user_id,item_id,review\n{lines}u20,i1,"{review}"\nu21,i2,x\n')
    assert ids(ratings)[0] == [f"u{row}" for row in range(22)]
    assert "line 22" in ratings.tally.notes[0]


def test_the_lines_of_several_files_are_told_together(tmp_path: Path) -> None:
    write(tmp_path / "log/a.csv", 'user_id,item_id,text\n7,1,"a\nb"\n8,2,c\n')
    write(tmp_path / "log/b.csv", 'user_id,item_id,text\n7,2,c\n8,1,"d\ne"\n9,1,"f\ng"\n')
    (note,) = load(tmp_path / "log").tally.notes
    assert note.startswith("fields in quotes that go over several lines: 3, such as ")
    assert "log/a.csv, line 2" in note


BOOKS = [f'"{276701 + row // 14}";"0345451{row % 15:02}X";"{row % 10}"\n' for row in range(140)]
BOOK_CROSSING = '"User-ID";"ISBN";"Book-Rating"\n' + "".join(BOOKS) + '"276701";"\\"0432534220\\"";"0"\n'
BOOK_COLUMNS = {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating"}


def test_escaped_quotes_are_refused_and_the_advice_reads_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 142 has text after a closing double quote.*set quoting to backslash"):
        load(tmp_path / "log.csv", BOOK_CROSSING, columns=BOOK_COLUMNS)
    ratings = load(tmp_path / "log.csv", columns=BOOK_COLUMNS, quoting="backslash")
    users, items = ids(ratings)
    assert len(users) == 141
    assert users[-1] == 276701
    assert items[-1] == '"0432534220"'
    assert items[0] == "034545100X"
    assert ratings.tally.notes == ()


def test_an_escaped_quote_and_a_separator_in_a_title(tmp_path: Path) -> None:
    write(tmp_path / "log.csv", "user;item_id\n7;1\n8;2\n")
    title = r'"Rides Again: the Real \"J. Peterman\"; Vol 2"'
    write(tmp_path / "books.csv", f'"item_id";"title"\n"1";{title}\n"2";"Les Mis"\n')
    books = str(tmp_path / "books.csv")
    with pytest.raises(DataError, match=r"books.csv: 1 lines have too many.*what to do: set quoting to backslash"):
        load(tmp_path / "log.csv", titles_path=books)
    titles = load(tmp_path / "log.csv", titles_path=books, quoting="backslash").titles
    assert titles.to_dict() == {1: 'Rides Again: the Real "J. Peterman"; Vol 2', 2: "Les Mis"}


def test_titles_are_not_lost_to_a_stray_quote(tmp_path: Path) -> None:
    write(tmp_path / "log.csv", "".join(f"{row},{row}\n" for row in range(10)))
    titles = [f"{row},Film {row}\n" for row in range(10)]
    titles[1], titles[8] = '1,"Crocodile" Dundee\n', '8,8 1/2"\n'
    settings: dict[str, Any] = {"columns": {"user": 0, "item": 1}, "titles_item": 0, "titles_title": 1}
    write(tmp_path / "films.csv", "".join(titles))
    with pytest.raises(DataError, match=r"films.csv, line 2 has text after a closing double quote.*quoting to none"):
        load(tmp_path / "log.csv", titles_path=str(tmp_path / "films.csv"), **settings)
    titles[1] = '1,"Crocodile Dundee\n'
    write(tmp_path / "films.csv", "".join(titles))
    with pytest.raises(DataError, match=r"films.csv, line 2 opens a double quote that is closed.*quoting to none"):
        load(tmp_path / "log.csv", titles_path=str(tmp_path / "films.csv"), **settings)
    found = load(tmp_path / "log.csv", titles_path=str(tmp_path / "films.csv"), quoting="none", **settings).titles
    assert len(found) == 10
    assert (found[1], found[8]) == ('"Crocodile Dundee', '8 1/2"')


def test_text_after_a_quote_in_a_column_that_is_not_wanted_is_told(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.tsv", plays(line21='"weird al" yankovic'), columns=PLACES)
    assert len(ratings.frame) == 140
    (note,) = ratings.tally.notes
    assert "text after a closing quote, in columns that are not read: 1, such as " in note
    assert "line 21" in note


def test_where_no_setting_helps_the_line_is_to_be_corrected(tmp_path: Path) -> None:
    text = 'user_id,item_id,text\n7,"a, b",x\n8,"The "Best" one",y\n'
    with pytest.raises(DataError, match=r"line 3 has text after.*twice.*what to do: correct the line"):
        load(tmp_path / "log.csv", text)
    assert ids(load(tmp_path / "log.csv", text.replace('"Best"', '""Best""')))[1] == ["a, b", 'The "Best" one']


WRONG_COLUMNS = {
    "a quote never closed": ('user_id,item_id,text\n7,1,"x\n8,"2,y\n', "auto", "none"),
    "escaped quotes": ('user_id,item_id,text\n7,1,"a \\"b, c\\" d"\n8,2,x\n', "auto", "backslash"),
    "quotes, but they are said to be none": ('user_id,item_id,text\n7,1,"a, b"\n8,2,x\n', "none", "auto"),
    "a backslash that is only a letter": ('user_id,item_id,text\n7,1,C:\\\n8,2,"a, \\"\n', "backslash", "auto"),
}


@pytest.mark.parametrize("case", WRONG_COLUMNS)
def test_too_many_columns_because_of_quotes_name_the_setting_that_works(tmp_path: Path, case: str) -> None:
    text, quoting, helps = WRONG_COLUMNS[case]
    with pytest.raises(DataError, match=f"what to do: set quoting to {helps}"):
        load(tmp_path / "log.csv", text, quoting=quoting)
    assert len(load(tmp_path / "log.csv", quoting=helps).frame) == 2


@pytest.mark.parametrize(
    "text",
    [
        '"u1", "i,1", 123\n"u2", "i2", 124\n',
        '"user_id", "item_id", "rating"\n"u1", "i,1", 123\n"u2", "i2", 124\n',
        "user_id,item_id,rating\n" + "u3,i3,5\n" * 200 + '"u1", "i,1", 123\n"u2", "i2", 124\n',
        "user_id,item_id,rating\n" + "u3,i3,5\n" * 200 + 'u1, "i1", 123\n',
    ],
)
def test_a_blank_before_a_quote_is_refused_and_the_advice_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    columns = {} if text.startswith(("user", '"user')) else {"user": 0, "item": 1, "rating": 2}
    with pytest.raises(DataError, match=r"has a blank .*double quote") as error:
        load(tmp_path / "log.txt", text, columns=columns)
    monkeypatch.chdir(tmp_path)
    exec("import pandas; " + error.value.do[error.value.do.index("pandas") :])
    users, items = ids(load(tmp_path / "log.csv", columns=columns))
    assert "u1" in users
    assert "i,1" in items or "i1" in items


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_no_value_behind_a_backslash_is_no_user_of_that_name(tmp_path: Path, end: str) -> None:
    text = f"1\t5\ta\\\tb{end}2\t6\t\\N{end}3\t7\t\\Nx{end}"
    settings: dict[str, Any] = {"columns": {"user": 0, "item": 1}, "quoting": "backslash", "separator": "\t"}
    assert ids(load(tmp_path / "log.tsv", text, **settings)) == ([1, 2, 3], [5, 6, 7])
    for row in (f"\\N\t5\tx{end}", f"4\t\\N\tx{end}"):
        with pytest.raises(DataError, match="line 4 has an unusable (user|item)_id .*: ''"):
            load(tmp_path / "log.tsv", text + row, **settings)


def test_a_field_with_whole_rows_in_it_is_read_if_the_user_says_that_it_is_one(tmp_path: Path) -> None:
    text = "user_id,item_id,text\n" + '7,1,a\n7,2,"b\n8,2,c\nd"\n' + "9,3,e\n"
    with pytest.raises(DataError, match=r"line 3 opens a double quote .* other rows.*set quoting to rfc, if the rows"):
        load(tmp_path / "log.csv", text)
    ratings = load(tmp_path / "log.csv", quoting="rfc")
    assert ids(ratings) == ([7, 7, 9], [1, 2, 3])
    assert any("several lines" in note for note in ratings.tally.notes)
