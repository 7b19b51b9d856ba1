"""Random logs in random dialects: what was written is read back exactly, or refused; never less, nor something else."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any, Literal

from hypothesis import event, given, settings
from hypothesis import strategies as st

from ncf.errors import DataError
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings

COLUMNS = {"columns": {"user": 0, "item": 2, "rating": 3}}
LETTERS = st.characters(codec="cp1252", categories=("L", "N", "P", "S", "Zs"), exclude_characters="\xa0\xad")
IDS = st.from_regex(r"[a-z]{1,3}[0-9]{1,2}", fullmatch=True) | st.from_regex(r"[1-9][0-9]{0,3}", fullmatch=True)
NAMES = st.text(LETTERS | st.sampled_from('"",;\t| \\12'), max_size=9)
STRAY = st.sampled_from(['"weird al', '7"', '"a" b', '"', '""', '"""', 'the "b"', '"c"', 'a, b"', "d", '\\"', 'e "'])
TEXTS = st.text(LETTERS | st.sampled_from('"",;\t| \\\n\n'), max_size=12)
ROWS = st.lists(st.tuples(IDS, NAMES | TEXTS, IDS, st.integers(0, 50)), min_size=2, max_size=30)
Row = tuple[str, str, str, int]


def read(content: bytes, **given: Any) -> list[tuple[str, str, float]] | None:
    """The rows of a log; None if it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log.txt").write_bytes(content)
        try:
            frame = load_ratings(FileSource(path=f"{folder}/log.txt", **COLUMNS | given)).frame
        except DataError as error:
            event(str(error).split("; ")[-1][:30])
            return None
    users, items = frame["user_id"].astype(str), frame["item_id"].astype(str)
    return list(zip(users, items, frame["rating"], strict=True))


def expected(rows: list[Row]) -> list[tuple[str, str, float]]:
    return [(user, item, rating / 10) for user, _, item, rating in rows]


@settings(max_examples=150)
@given(
    rows=ROWS,
    separator=st.sampled_from(",;\t| "),
    told=st.booleans(),
    quoting=st.sampled_from(["minimal", "all", "backslash"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    header=st.booleans(),
    top=st.integers(0, 2),
    decimal=st.sampled_from(".,"),
)
def test_what_is_written_by_the_rules_is_read_back(
    rows: list[Row],
    separator: str,
    told: bool,
    quoting: str,
    encoding: str,
    end: str,
    header: bool,
    top: int,
    decimal: str,
) -> None:
    text = io.StringIO(newline="")
    text.write(f'made by "X{end}' * top)
    rules: dict[str, Any] = {"escapechar": "\\", "doublequote": False} if quoting == "backslash" else {}
    style: Literal[0, 1] = csv.QUOTE_MINIMAL if quoting == "minimal" else csv.QUOTE_ALL
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=style, **rules)
    writer.writerows([("user_id", "title", "item_id", "rating")] * header)
    writer.writerows((user, name, item, str(rating / 10).replace(".", decimal)) for user, name, item, rating in rows)
    found = read(
        text.getvalue().encode(encoding),
        quoting="backslash" if quoting == "backslash" else "auto",
        separator=separator if told else None,
        encoding=encoding,
        decimal=decimal,
        skip_rows=top,
        header=header,
    )
    if told or header:
        assert found == expected(rows)
    else:
        assert found in (None, expected(rows))


@settings(max_examples=150)
@given(
    rows=st.lists(st.tuples(IDS, STRAY | NAMES, IDS, st.integers(0, 50)), min_size=2, max_size=30),
    separator=st.sampled_from([",", ";", "\t", "|", "::"]),
    told=st.booleans(),
    quoted=st.sampled_from([0, 1, 2]),
    header=st.booleans(),
)
def test_stray_quotes_lose_no_row(rows: list[Row], separator: str, told: bool, quoted: int, header: bool) -> None:
    """As programs write that know no quoting, or put quotes around whatever a cell has."""
    clean = [(user, name.replace(separator[0], ""), item, rating) for user, name, item, rating in rows]
    lines = ["user_id", "title", "item_id", "rating"] * header
    text = separator.join(lines) + "\n" * header
    for row, (user, name, item, rating) in enumerate(clean):
        cell = f'"{name}"' if quoted == 2 or (quoted == 1 and row % 2) else name
        text += f"{user}{separator}{cell}{separator}{item}{separator}{rating / 10}\n"
    told_as = {"separator": separator if told else None, "header": header}
    assert read(text.encode(), **told_as) in (None, expected(clean))
    if told:
        assert read(text.encode(), quoting="none", **told_as) == expected(clean)
