"""JSON Lines: an object a line, as published and as programs log."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import CSV, ROWS, ids, load, rows, write

OBJECTS = [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)]
LINES = "".join(json.dumps({**row, "text": 'a "b"\n', "n": [1, {"x": None}]}) + "\n" for row in OBJECTS)


@pytest.mark.parametrize(
    "name", ["log.jsonl", "log.ndjson", "log.json", "log.JSONL", "log.txt", "log", "log.csv", "log.1"]
)
@pytest.mark.parametrize("packed", ["", "gzip", "zstd"])
def test_json_lines_are_read_by_their_ending_and_by_what_they_are(tmp_path: Path, name: str, packed: str) -> None:
    content = pa.compress(LINES.encode(), packed, asbytes=True) if packed else LINES
    assert rows(load(tmp_path / (name + {"": "", "gzip": ".gz", "zstd": ".zst"}[packed]), content)) == ROWS


@pytest.mark.parametrize(
    "text",
    [
        LINES.replace("\n", "\r\n"),
        "\ufeff" + LINES,
        "\n\n" + LINES.replace("\n", "\n \n"),
        LINES.rstrip(),
        LINES.replace('{"', '  {  "'),
        LINES.replace("1000000003000000", "1000000003000000.0"),
        LINES.replace(": [1", ": [NaN"),
    ],
)
def test_json_lines_may_be_written_in_many_ways(tmp_path: Path, text: str) -> None:
    assert rows(load(tmp_path / "log.jsonl", text)) == ROWS


def test_json_in_another_encoding(tmp_path: Path) -> None:
    text = '{"user_id": "ä", "item_id": "1"}\n{"user_id": "b", "item_id": "2"}\n'
    for encoding in ("latin-1", "utf-16"):
        ratings = load(tmp_path / "log.jsonl", text.encode(encoding), encoding=encoding, format="json")
        assert ids(ratings) == (["ä", "b"], ["1", "2"])


PUBLISHED: dict[str, tuple[list[dict[str, Any]], list[Any], list[float], int, str]] = {
    "Amazon 2014 and 2018": (
        [
            {
                "reviewerID": f"A{n}",
                "asin": f"000{n}",
                "overall": 5.0 - n,
                "reviewTime": "09 13, 2009",
                "unixReviewTime": 1252800000,
            }
            for n in (1, 2)
        ],
        [["A1", "A2"], ["0001", "0002"]],
        [4.0, 3.0],
        1252800000_000000,
        "reviewerID as user_id, asin as item_id, overall as rating, unixReviewTime as timestamp",
    ),
    "Amazon 2023": (
        [
            {
                "rating": 5.0 - n,
                "title": "x, y",
                "asin": "B9",
                "parent_asin": f"B{n}",
                "user_id": f"A{n}",
                "timestamp": 1569888061005,
            }
            for n in (1, 2)
        ],
        [["A1", "A2"], ["B1", "B2"]],
        [4.0, 3.0],
        1569888061_005000,
        "parent_asin as item_id",
    ),
    "Yelp": (
        [
            {
                "review_id": "r",
                "user_id": f"u{n}",
                "business_id": f"b{n}",
                "stars": 5.0 - n,
                "date": "2018-07-07 22:09:11",
            }
            for n in (1, 2)
        ],
        [["u1", "u2"], ["b1", "b2"]],
        [4.0, 3.0],
        1531001351_000000,
        "business_id as item_id, stars as rating, date as timestamp",
    ),
    "Google Local": (
        [
            {"user_id": f"u{n}", "name": "X", "time": 1531001351000, "rating": 5 - n, "gmap_id": f"0x{n}"}
            for n in (1, 2)
        ],
        [["u1", "u2"], ["0x1", "0x2"]],
        [4.0, 3.0],
        1531001351_000000,
        "gmap_id as item_id, time as timestamp",
    ),
    "an event log": (
        [
            {
                "event": "play",
                "user": {"id": n, "name": "x"},
                "item": {"id": n + 5, "tags": []},
                "ts": "2018-07-07T22:09:11Z",
            }
            for n in (1, 2)
        ],
        [[1, 2], [6, 7]],
        [1.0, 1.0],
        1531001351_000000,
        "user.id as user_id, item.id as item_id, ts as timestamp",
    ),
}


@pytest.mark.parametrize("literals", [False, True])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes_are_read_without_a_setting(tmp_path: Path, name: str, literals: bool) -> None:
    """Older ones are Python's literals in place of JSON."""
    objects, expected, stars, time, taken = PUBLISHED[name]
    text = "".join((repr(row) if literals else json.dumps(row)) + "\n" for row in objects)
    ratings = load(tmp_path / "reviews.json.gz", pa.compress(text.encode(), "gzip", asbytes=True))
    assert list(ids(ratings)) == expected
    assert ratings.frame["rating"].tolist() == stars
    assert ratings.frame["timestamp"].tolist() == [time, time]
    assert ratings.tally.notes[0] != ""
    assert f"columns taken: {taken}" in ratings.tally.notes
    told = f"{tmp_path}/reviews.json.gz is not JSON, but Python's literals: they are read slowly"
    assert (told in ratings.tally.notes) == literals


def test_steam_is_read_by_the_name_that_every_line_has(tmp_path: Path) -> None:
    text = "{u'username': u'anna', u'product_id': u'35', u'hours': 0.1, u'date': u'2018-01-02'}\n"
    text += "{u'username': u'bo', u'user_id': u'76561198', u'product_id': u'36', u'date': u'2018-01-03'}\n"
    with pytest.raises(
        DataError, match=r"line 1 has no user_id \(field user_id\).*fix or remove the line, or name another"
    ):
        load(tmp_path / "steam.json", text)
    assert ids(load(tmp_path / "steam.json", columns={"user": "username"})) == (["anna", "bo"], ["35", "36"])


def test_nested_names_and_names_with_a_dot(tmp_path: Path) -> None:
    text = '{"a.b": 1, "c": {"d": {"e": "x", "f": 1}}, "r": "4.5"}\n{"c": {"d": {"e": "y"}}, "a.b": 2, "r": " 3"}\n'
    ratings = load(tmp_path / "log.jsonl", text, columns={"user": "a.b", "item": "c.d.e", "rating": "r"})
    assert ids(ratings) == ([1, 2], ["x", "y"])
    assert ratings.frame["rating"].tolist() == [4.5, 3.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2"], ["1", "2"]),  # text is text, as in Parquet
        (["007", "x"], ["007", "x"]),
        ([1, 2**62 + 1], [1, 2**62 + 1]),
        ([1.0, 2], [1, 2]),
        ([-1, 0], [-1, 0]),
    ],
)
def test_types_of_ids_are_those_of_json(tmp_path: Path, values: list[Any], expected: list[Any]) -> None:
    text = "".join(json.dumps({"user_id": value, "item_id": row}) + "\n" for row, value in enumerate(values))
    assert ids(load(tmp_path / "log.jsonl", text)) == (expected, [0, 1])


def test_times_that_begin_as_integers_may_have_fractions_further_on(tmp_path: Path) -> None:
    text = "".join(f'{{"user_id": {n}, "item_id": 1, "ts": {1_500_000_000 + n}}}\n' for n in range(200))
    ratings = load(tmp_path / "log.jsonl", text + '{"user_id": 1, "item_id": 2, "ts": 1500000000.5}\n')
    assert ratings.frame["timestamp"].tolist()[-2:] == [1_500_000_199_000000, 1_500_000_000_500000]


def test_a_folder_of_json_parts_with_partitions(tmp_path: Path) -> None:
    for day, row in (("2024-01-02", '{"item": "b", "user": 2}'), ("2024-01-01", '{"user": 1, "item": "a", "x": 1}')):
        write(tmp_path / f"date={day}" / "part-0.json", row + "\n")
    ratings = load(tmp_path)
    assert ids(ratings) == ([1, 2], ["a", "b"])
    assert ratings.frame["timestamp"].tolist() == [1704067200_000000, 1704153600_000000]


def test_titles_of_json_lines(tmp_path: Path) -> None:
    """Amazon's and Yelp's catalogues."""
    write(tmp_path / "meta.jsonl", '{"item_id": 1, "title": "One"}\n{"item_id": 2, "title": null}\n{"item_id": 3}\n')
    ratings = load(tmp_path / "log.csv", CSV, titles_path=str(tmp_path / "meta.jsonl"))
    assert ratings.titles.to_dict() == {1: "One"}
    write(tmp_path / "business.json", '{"business_id": "b1", "name": "Café"}\n')
    log = '{"user_id": "u", "business_id": "b1"}\n{"user_id": "v", "business_id": "b1"}\n'
    ratings = load(tmp_path / "review.json", log, titles_path=str(tmp_path / "business.json"))
    assert ratings.titles.to_dict() == {"b1": "Café"}


def test_a_first_line_may_be_long(tmp_path: Path) -> None:
    text = "".join(json.dumps({"user_id": n, "item_id": n, "text": "x" * 600_000}) + "\n" for n in (1, 2))
    assert ids(load(tmp_path / "log.jsonl", text)) == ([1, 2], [1, 2])


def test_a_log_of_many_blocks(tmp_path: Path) -> None:
    text = "".join(f'{{"user_id": {n}, "item_id": "i{n % 7}", "x": "{"y" * 900}"}}\n' for n in range(40_000))
    ratings = load(tmp_path / "log.jsonl", text)
    assert ids(ratings) == (list(range(40_000)), [f"i{n % 7}" for n in range(40_000)])
