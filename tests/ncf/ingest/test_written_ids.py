"""Ids that are no ids, ids that are one id in two spellings, and why ids are text."""

from pathlib import Path

import pandas as pd
import pytest

from ncf.errors import DataError
from ncf.ingest.load import load_ratings
from tests.ncf.ingest.log_files import ids, load, table, write

HEAD = "user_id,item_id,timestamp\n"


def lines(*users: str, items: int = 3) -> str:
    """A log of one row a user, with the items i1, i2, ..."""
    return HEAD + "".join(f"{user},i{row % items},{1569888061 + row}\n" for row, user in enumerate(users))


def notes(path: Path, content: str, **settings: object) -> list[str]:
    return [note.replace(str(path), "LOG") for note in load(path, content, **settings).tally.notes]


def test_words_for_nothing_are_refused_with_their_number_and_first_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load(tmp_path / "log.csv", lines("u1", "NULL", "u2", "None", "NULL", "nan"))
    assert str(error.value).replace(str(tmp_path), "") == (
        "/log.csv, line 3 has an unusable user_id: 'NULL'; allowed: an id; this word says that there is none; "
        "what to do: remove or fix these 4 rows, of 'NULL', 'None', 'nan'; or set ids.null_words to keep, if these are "
        "ids; more of the first: /log.csv, line 5, /log.csv, line 6"
    )


def test_words_for_nothing_are_ids_if_that_is_asked_for(tmp_path: Path) -> None:
    kept = load(tmp_path / "log.csv", lines("u1", "NA", "NULL"), ids={"null_words": "keep"})
    assert ids(kept)[0] == ["u1", "NA", "NULL"]


@pytest.mark.parametrize(
    "word", ["NULL", "null", "None", "nan", "NaN", "NA", "N/A", "<NA>", "\\N", "undefined", "NULL "]
)
def test_every_word_for_nothing_is_refused_among_users_and_items(tmp_path: Path, word: str) -> None:
    for row in (f"{word},i1,5\n", f"u1,{word},5\n", f"{word},7,5\n"):
        with pytest.raises(DataError, match="line 3 has an unusable"):
            load(tmp_path / "log.csv", f"{HEAD}u2,i2,5\n{row}")


@pytest.mark.parametrize("name", ["Nan", "Na", "Null Island", "nano", "NAN_1"])
def test_names_that_only_look_like_nothing_are_ids(tmp_path: Path, name: str) -> None:
    assert ids(load(tmp_path / "log.csv", lines("u1", name)))[0] == ["u1", name]


@pytest.mark.parametrize("again", ["user_id,item_id,5", "userId,movieId,5"])
def test_a_second_header_in_the_middle_is_refused(tmp_path: Path, again: str) -> None:
    text = "user_id,item_id,rating\n1,5,3\n2,6,4\n" + again + "\n3,7,5\n"
    with pytest.raises(DataError, match="line 4 has an unusable user_id: .*the name of a column, as a second header"):
        load(tmp_path / "log.csv", text)


def test_the_name_of_the_column_itself_is_no_id_unless_kept(tmp_path: Path) -> None:
    text = "member,item_id\nanna,5\nmember,6\n"
    with pytest.raises(DataError, match="line 3 has an unusable user_id: 'member'.*set ids.null_words to keep"):
        load(tmp_path / "log.csv", text, columns={"user": "member"})
    kept = load(tmp_path / "log.csv", text, columns={"user": "member"}, ids={"null_words": "keep"})
    assert ids(kept)[0] == ["anna", "member"]


def test_an_id_that_can_not_be_seen_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3 has an unusable user_id"):
        load(tmp_path / "log.csv", lines("u1", "\u200b", "u2"), ids={"strip": True, "null_words": "keep"})


def test_the_line_that_makes_ids_text_is_told(tmp_path: Path) -> None:
    content = "user_id,item_id\n1,5\n2,5\n3,6\nu4,6\n\u200b1,6\n4,5\n"
    why, blanks = notes(tmp_path / "log.csv", content)
    assert why == "user_id: the ids are text because of 'u4' in LOG, line 5; 2 of 6 rows are so"
    assert "as '1' and '\\u200b1'" in blanks
    assert notes(tmp_path / "log.csv", "user_id,item_id\na1,5\n2,5\nb3,6\n") == []


def test_whole_numbers_with_a_fraction_of_zero_are_integers(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    content = "user_id,item_id\n1.0,5\n2.0,6\n1,7\n"
    assert ids(load(path, content)) == ([1, 2, 1], [5, 6, 7])
    assert notes(path, content) == ["user_id: whole numbers such as '1.0' in LOG, line 2 are integers (2 rows)"]
    assert ids(load(path, "user_id,item_id\n1.10,5\n1.1,6\n1.0,7\n"))[0] == ["1.10", "1.1", "1.0"]


def test_titles_match_ids_that_a_spreadsheet_wrote(tmp_path: Path) -> None:
    write(tmp_path / "titles.csv", "item_id,title\n5.0,Low\n6,High\n")
    ratings = load(tmp_path / "log.csv", "user_id,item_id\n1,5\n2,6.0\n", titles_path=str(tmp_path / "titles.csv"))
    assert ratings.titles.to_dict() == {5: "Low", 6: "High"}


def test_spellings_of_one_id_are_told_and_brought_together(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    content = lines("u1", "U1 ", "u1", "U1", "u2", "u2 ", "cafe\u0301", "caf\u00e9")
    assert notes(path, content) == [
        "user_id: ids that differ from another only in blanks or invisible characters around them: 2, as 'U1 ' and "
        "'U1'; set ids.strip to true to take them as one",
        "user_id: ids that differ from another only in how accents are put together (Unicode NFC, NFD): 1, as "
        "'cafe\u0301' and 'caf\u00e9'; set ids.nfc to true to take them as one",
        "user_id: ids that differ from another only in upper and lower case: 1, as 'u1' and 'U1 '; set ids.lower to "
        "true to take them as one",
    ]
    rules = {"strip": True, "lower": True, "nfc": True}
    assert ids(load(path, content, ids=rules))[0] == ["u1", "u1", "u1", "u1", "u2", "u2", "caf\u00e9", "caf\u00e9"]
    assert notes(path, content, ids=rules) == [
        "user_id: ids.strip, ids.nfc, ids.lower changed 4 of 7 ids; 3 are left",
    ]


def test_blanks_around_ids_without_a_twin_are_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    told = "ids with blanks or invisible characters around them: 2, as 'i1 '; set ids.strip to true to take them off"
    assert notes(path, "user_id,item_id\nu1,i1 \nu2,i2 \n") == [f"item_id: {told}"]
    stripped = load(path, "user_id,item_id\n1,5\n 2,6\n2 ,7\n", ids={"strip": True})
    assert ids(stripped)[0] == [1, 2, 2]


def test_titles_follow_the_rules_of_the_ids(tmp_path: Path) -> None:
    write(tmp_path / "titles.csv", "item_id,title\nI1,Low\ni2 ,High\ni1,again\n")
    ratings = load(
        tmp_path / "log.csv",
        lines("u1", "u2", "u3"),
        titles_path=str(tmp_path / "titles.csv"),
        ids={"strip": True, "lower": True},
    )
    assert ratings.titles.to_dict() == {"i1": "Low", "i2": "High"}


def test_ids_that_may_stand_for_none_are_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    assert notes(path, "user_id,item_id\nu1,5\n-,6\nu2,5\n-,5\n") == [
        "user_id: rows with an id that may stand for none: 2, as '-' in LOG, line 3"
    ]
    assert notes(path, "user_id,item_id\n1,5\n-1,6\n2,5\n-1,5\n") == [
        "user_id: rows with an id that may stand for none: 2, as -1 in LOG, line 3"
    ]


def test_text_of_a_typed_file_stays_text_and_follows_the_rules(tmp_path: Path) -> None:
    write(tmp_path / "log.parquet", table(user_id=["1", "1.0", "2 "]))
    assert ids(load(tmp_path / "log.parquet"))[0] == ["1", "1.0", "2 "]
    assert [note.split(";")[0] for note in load(tmp_path / "log.parquet").tally.notes] == [
        "user_id: ids with blanks or invisible characters around them: 1, as '2 '",
        "user_id: ids that differ from another only in leading zeros or a .0: 1, as '1' and '1.0'",
    ]
    assert ids(load(tmp_path / "log.parquet", ids={"strip": True}))[0] == ["1", "1.0", "2"]


@pytest.mark.parametrize("dtype", ["str", "category", "object", "string"])
def test_frames_are_checked_alike(dtype: str) -> None:
    users = pd.Series(["u1", "U1 ", "u2"], dtype=dtype)
    frame = pd.DataFrame({"user_id": users, "item_id": [1, 2, 3], "title": ["A", "B", "C"]})
    ratings = load_ratings(frame, ids={"strip": True, "lower": True})
    assert ratings.frame["user_id"].tolist() == ["u1", "u1", "u2"]
    assert ratings.titles.to_dict() == {1: "A", 2: "B", 3: "C"}
    with pytest.raises(DataError, match="row 2 has an unusable user_id: 'nan'"):
        load_ratings(frame.assign(user_id=pd.Series(["u1", "nan", "u2"], dtype=dtype)))
