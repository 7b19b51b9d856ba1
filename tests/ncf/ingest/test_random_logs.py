"""Random logs in random dialects: what is read is exactly what was written, or the file is refused; never less."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from ncf.errors import DataError
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings

BEGIN = int(datetime(2019, 10, 1, tzinfo=UTC).timestamp())
COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
EVERYTHING = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Ids that tempt a reader: separators, quotes, backslashes, line ends and blanks inside, letters of all kinds.
LETTERS = st.sampled_from([*"abzÅé9 ,;\t|'#={\\", "::", '"', '\\"', "\n", "\r\n"])
WORDS = st.lists(LETTERS, max_size=5).map(lambda letters: f"u{''.join(letters)}x")
INTEGERS = st.integers(0, 40)
Row = tuple[Any, Any, float, int]


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    """Rows of user, item, rating, and seconds; the ids of a column are all integers or all text."""
    users, items = draw(st.sampled_from([INTEGERS, WORDS])), draw(st.sampled_from([INTEGERS, WORDS]))
    ratings = st.sampled_from([1.0, 2.0, 3.5, 4.0, 5.0])
    return draw(st.lists(st.tuples(users, items, ratings, st.integers(BEGIN, BEGIN + 10**6)), min_size=1, max_size=30))


@dataclass(frozen=True)
class Dialect:
    """How a file is written, and what a user would set to have it read."""

    separator: str
    end: str
    encoding: str
    quoting: int
    header: bool
    given: bool
    compressed: bool
    times: str
    order: Sequence[int]


DIALECTS = st.builds(
    Dialect,
    separator=st.sampled_from([",", "\t", ";", "|", " "]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    header=st.booleans(),
    given=st.booleans(),
    compressed=st.booleans(),
    times=st.sampled_from(["s", "ms", "iso", "zone"]),
    order=st.permutations(range(4)),
)


def _time(seconds: int, kind: str) -> object:
    if kind in ("s", "ms"):
        return seconds * (1000 if kind == "ms" else 1)
    written = datetime.fromtimestamp(seconds, UTC)
    return written.isoformat() if kind == "zone" else f"{written:%Y-%m-%d %H:%M:%S}"


def _text(log: list[Row], dialect: Dialect) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=dialect.separator, lineterminator=dialect.end, quoting=dialect.quoting)  # type: ignore[arg-type]
    for row in ([COLUMNS] if dialect.header else []) + [[u, i, r, _time(t, dialect.times)] for u, i, r, t in log]:
        writer.writerow([row[place] for place in dialect.order])
    content = out.getvalue().encode(dialect.encoding)
    return gzip.compress(content) if dialect.compressed else content


def _settings(dialect: Dialect) -> dict[str, Any]:
    chosen: dict[str, Any] = {"encoding": "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding}
    if not dialect.header:
        place = {COLUMNS[column]: place for place, column in enumerate(dialect.order)}
        names = {"user": "user_id", "item": "item_id", "rating": "rating", "timestamp": "timestamp"}
        chosen["columns"] = {role: place[name] for role, name in names.items()}
        chosen["header"] = False
    return chosen | ({"separator": dialect.separator} if dialect.given else {})


def _read(name: str, content: bytes, chosen: dict[str, Any]) -> list[Row] | DataError:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            frame = load_ratings(FileSource(path=str(path), **chosen)).frame
        except DataError as error:
            return error
    times = frame["timestamp"] // 1_000_000
    return list(zip(*(frame[name].tolist() for name in COLUMNS[:3]), times.tolist(), strict=True))


def _check(log: list[Row], read: list[Row] | DataError) -> None:
    if isinstance(read, DataError):
        event("refused")
        assert str(read)
    else:
        event("read")
        assert read == log


@EVERYTHING
@given(logs(), DIALECTS)
def test_text_is_read_back_or_refused(log: list[Row], dialect: Dialect) -> None:
    try:
        content = _text(log, dialect)
    except UnicodeEncodeError:
        assume(False)
    _check(log, _read("log.csv.gz" if dialect.compressed else "log.csv", content, _settings(dialect)))


@EVERYTHING
@given(logs(), st.sampled_from([",", ";", "\t"]))
def test_plain_text_is_never_refused(log: list[Row], separator: str) -> None:
    plain = [(f"u{hash(u) % 40}", i if isinstance(i, int) else len(i), r, t) for u, i, r, t in log]
    lines = [separator.join(map(str, row)) for row in [COLUMNS, *plain]]
    assert _read("log.txt", "\n".join(lines).encode(), {}) == plain


@EVERYTHING
@given(logs(), st.sampled_from([8, 1, 3]))
def test_parquet_is_always_read_back(log: list[Row], rows: int) -> None:
    columns = dict(zip(COLUMNS, map(list, zip(*log, strict=True)), strict=True))
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, row_group_size=rows)
    assert _read("log.parquet", content.getvalue(), {}) == log


@EVERYTHING
@given(logs(), st.booleans())
def test_json_lines_are_always_read_back(log: list[Row], ascii_only: bool) -> None:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=ascii_only) for row in log]
    _check(log, _read("log.jsonl", "".join(line + "\n" for line in lines).encode(), {}))


@EVERYTHING
@given(logs(), st.sampled_from([",", ";", "\t"]), st.sampled_from(["auto", "none"]))
def test_quotes_that_nobody_escaped_swallow_no_line(log: list[Row], separator: str, quoting: str) -> None:
    plain = [(_plain(user, separator), _plain(item, separator), *rest) for user, item, *rest in log]
    lines = [separator.join(map(str, row)) for row in [COLUMNS, *plain]]
    read = _read("log.txt", "".join(line + "\n" for line in lines).encode(), {"quoting": quoting})
    _check(plain, read)
    assert quoting == "auto" or not isinstance(read, DataError)


@EVERYTHING
@given(logs(), st.sampled_from([",", ";", "\t"]), st.booleans())
def test_quotes_behind_a_backslash_are_read_back(log: list[Row], separator: str, everywhere: bool) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=separator,
        quoting=csv.QUOTE_ALL if everywhere else csv.QUOTE_NONNUMERIC,
        doublequote=False,
        escapechar="\\",
    )
    writer.writerows([COLUMNS, *log])
    _check(log, _read("log.txt", out.getvalue().encode(), {"quoting": "backslash"}))


def _plain(value: Any, separator: str) -> Any:
    """A value with nothing in it that needs quoting, but for quotes."""
    return value if isinstance(value, int) else "".join(value.replace(separator, "").split())
