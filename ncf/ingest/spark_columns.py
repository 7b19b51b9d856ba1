"""The columns of a log in Spark, checked and brought to our types as `Ratings.from_frame` does it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (its usual name)
from pyspark.sql import types as T  # noqa: N812

from ncf.data import COLUMNS, ITEM_ID, RATING, TIMESTAMP, USER_ID, TimeUnit
from ncf.data.config import IdRules
from ncf.data.faults import LONGEST, refuse
from ncf.data.ids import LARGEST_FLOAT
from ncf.data.ratings import Ratings, Tally, tally_of
from ncf.data.times import BOUNDS, LAST_SECOND, PER_SECOND, UNITS, Unit, odd_unit, scaled
from ncf.data.written_ids import WrittenIds
from ncf.errors import DataError
from ncf.ingest.bad_lines import INTEGER
from ncf.ingest.dialect import NUMBER

BAD_LINE = "bad_line"
PLACE = ("file", "block", "row")
AFTER = "after"
BLANK = r"(?U)^\s*$"
WRITTEN_INTEGER = "^(0|-?[1-9][0-9]*)$"
ISO_TEXT = r"^\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
DATE_TEXT = r"^(\d{4})(\d\d)(\d\d)$"
TO_THE_MINUTE = r"^(\S+[ T]\d\d:\d\d)(Z|[+-].*)$"
MOST = 100_000  # bad rows that are looked at


@dataclass(frozen=True)
class Rows:
    """Raw rows: our columns as they came, the bad lines of text files, and the places.

    Attributes:
        frame: see above.
        where: what messages call the log.
        names: role -> what the log calls the column; `named`: whether it says so itself.
        ids, unit: see the source's settings.
        files: in their order; none for a table, which has no order.
        text: whether ids are integers where all are written so, as in text files.
        decimal: what divides a number's fraction from the rest.
    """

    frame: DataFrame
    where: str
    names: dict[str, str]
    ids: IdRules
    unit: TimeUnit
    files: tuple[str, ...] = ()
    text: bool = False
    named: bool = True
    decimal: str = "."

    def kind(self, role: str) -> T.DataType | None:
        """The type of a column; None if there is no such."""
        return self.frame.schema[role].dataType if role in self.frame.columns else None

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that order rows of equal times."""
        return PLACE if self.files else (ITEM_ID, RATING)


def read_columns(spark: SparkSession, rows: Rows) -> tuple[Rows, Tally]:
    """Look at all rows once, refuse what is wrong, and give the columns their types.

    Returns:
        Rows of user_id and item_id (bigint or string), rating (double), timestamp (bigint, microseconds; none for a log
        without times), and the tally of what was read.

    Raises:
        DataError: there are no rows, or a column has a value that is empty, not a number, no time, or out of range.
    """
    bad = _bad_ids(rows) | _no_number(_number(rows, RATING))
    facts = {"rows": F.count(F.lit(1)), "bad": F.count_if(bad), **_time_facts(rows)}
    facts |= {"unplaced": F.count_if(F.col(PLACE[0]).isNull())} if rows.files else {}
    facts |= {BAD_LINE: F.count(BAD_LINE)} if BAD_LINE in rows.frame.columns else {}
    facts |= {role: F.count_if(_is_integer(role)) for role in (USER_ID, ITEM_ID) if _is_text(rows, role)}
    [found] = rows.frame.agg(*(fact.alias(name) for name, fact in facts.items())).toArrow().to_pylist()
    if not found["rows"] or found.get("unplaced"):
        raise DataError(f"{rows.where} has no rows", do="check that it was written to the end")
    if found.get(BAD_LINE):
        refuse_lines(rows, found[BAD_LINE])
    time, span, bad_times = _times(rows, found)
    if found["bad"] or bad_times is not None:
        _refuse(rows, bad if bad_times is None else bad | bad_times)
    tally, columns = tally_of(found["rows"], *span), {RATING: _number(rows, RATING), TIMESTAMP: time}
    frame = rows.frame.withColumns({name: column for name, column in columns.items() if column is not None})
    for role in (USER_ID, ITEM_ID):
        if not _is_text(rows, role) or (rows.text and found[role] == found["rows"]):
            frame = frame.withColumn(role, F.col(role).try_cast("bigint"))
        else:
            settled, notes = _settled(rows, role)
            frame = frame if settled is None else _replaced(spark, frame, role, settled)
            for note in notes:
                tally = tally.note(note)
    return replace(rows, frame=frame.drop(BAD_LINE)), tally


def _is_text(rows: Rows, role: str) -> bool:
    return isinstance(rows.kind(role), T.StringType)


def _is_integer(role: str) -> Column:
    return F.col(role).rlike(WRITTEN_INTEGER) & F.col(role).try_cast("bigint").isNotNull()


def _bad_ids(rows: Rows) -> Column:
    """Which rows have no id, or one that is neither text nor a whole number of 64 bits."""
    good = F.lit(True)
    for role in (USER_ID, ITEM_ID):
        column, kind = F.col(role), rows.kind(role)
        if _is_text(rows, role):
            good &= ~column.rlike(BLANK) & ~(column.contains("\ufffd") & F.lit(rows.text))
        elif isinstance(kind, T.DecimalType):
            good &= (column == F.floor(column)) & column.try_cast("bigint").isNotNull()
        elif isinstance(kind, T.FractionalType):
            good &= (column == F.floor(column)) & (F.abs(column) < LARGEST_FLOAT)
        elif isinstance(kind, T.IntegralType):
            good &= column.isNotNull()
        else:
            raise _wrong_type(rows, role, "integers or text")
    return ~F.coalesce(good, F.lit(False))


def _number(rows: Rows, role: str) -> Column:
    """A column as double; null where it is no number; 1 if there is no such column."""
    kind, column = rows.kind(role), F.col(role)
    if isinstance(kind, T.StringType):
        column = F.translate(column, ".,", ",.") if rows.decimal == "," else column
        return F.when(column.rlike(f"^(?:{NUMBER.pattern})$"), F.trim(column).try_cast("double"))
    if isinstance(kind, T.NumericType):
        return column.cast("double")
    if kind is not None:
        raise _wrong_type(rows, role, "numbers")
    return F.lit(1.0)


def _no_number(number: Column) -> Column:
    return number.isNull() | F.isnan(number) | (F.abs(number) == float("inf"))


def _wrong_type(rows: Rows, role: str, allowed: str) -> DataError:
    got = str(rows.frame.schema[role].dataType.simpleString())
    return DataError(f"{rows.where} has an unusable {role}", got=got, allowed=allowed, do="name another column")


def _readings(rows: Rows) -> dict[str, Column]:
    """How a time may be read: as a whole number, any number, or ISO 8601 (microseconds); null where it can't be."""
    kind, column = rows.kind(TIMESTAMP), F.col(TIMESTAMP)
    if kind is None:
        return {}
    if isinstance(kind, T.DateType | T.TimestampType | T.TimestampNTZType):
        return {"iso": F.unix_micros(column.cast("timestamp"))}
    text = column.cast("string")
    whole = F.when(text.rlike(f"^(?:{INTEGER.pattern})$"), F.trim(text).try_cast("bigint"))
    readings = {"whole": whole, "number": _number(rows, TIMESTAMP)}
    if isinstance(kind, T.FloatType | T.DoubleType):
        return {"number": readings["number"]}
    dated = F.regexp_replace(text, DATE_TEXT, "$1-$2-$3") if rows.unit == "iso" else text
    dated = F.regexp_replace(dated, TO_THE_MINUTE, "$1:00$2")  # without seconds Spark takes no zone
    return readings | {"iso": F.when(dated.rlike(ISO_TEXT), F.unix_micros(dated.try_cast("timestamp")))}


def _time_facts(rows: Rows) -> dict[str, Column]:
    """How many times can be read in each way, from when to when; of numbers, what tells their unit."""
    facts: dict[str, Column] = {}
    readings = _readings(rows)
    for name, read in readings.items():
        facts |= {name: F.count(read), f"{name} low": F.min(read), f"{name} high": F.max(read)}
    if "number" in readings:
        number = readings["number"]
        month, day = F.floor(number / 100) % 100, number % 100
        date = number.between(1970_01_01, 2100_12_31) & month.between(1, 12) & day.between(1, 31)
        telling = F.when(_tells(number), number)
        facts |= {"dates": F.count_if(date), "told low": F.min(telling), "told high": F.max(telling)}
        facts["median"] = F.percentile_approx(telling, F.lit(0.5))
    return facts


def _tells(number: Column) -> Column:
    """Whether a number tells its unit by its size."""
    return (number > 0) & (number <= float(LAST_SECOND * PER_SECOND["ns"]))


def _times(rows: Rows, found: dict[str, Any]) -> tuple[Column | None, tuple[int | None, int | None], Column | None]:
    """The times in microseconds, the first and the last of them, and which rows are bad if any is."""
    readings, unit = _readings(rows), rows.unit
    if not readings:
        return None, (None, None), None
    is_text = "number" not in readings or unit == "iso" or (unit == "auto" and found.get("iso", 0) > found["number"])
    if is_text and "iso" not in readings:
        raise _wrong_type(rows, TIMESTAMP, "dates, or text such as 2025-01-31T12:00:00Z")
    name = "iso" if is_text else "whole" if found.get("whole") == found["rows"] else "number"
    read, low, high = readings[name], found[f"{name} low"], found[f"{name} high"]
    bad, are_bad = _no_number(read.cast("double")), found[name] < found["rows"]
    if is_text:
        unit = "us"
    elif unit == "auto":
        lowest, highest = (int(np.searchsorted(BOUNDS, found[f"told {end}"] or 0, "right")) for end in ("low", "high"))
        unit = UNITS[highest]
        below = float((0, *BOUNDS)[highest])
        bad |= F.lit(found["dates"] == found["rows"]) | (_tells(read) & (read < below))
        are_bad |= found["dates"] == found["rows"] or lowest < highest
        if found["median"] is not None and not are_bad:
            told = np.array([found["told low"], found["median"], found["told high"]])
            if odd_unit(told, scaled(told, unit)[0], pd.Series(told), unit)[1]:
                return read, (None, None), F.lit(True)
    assert unit in UNITS
    most = LAST_SECOND * PER_SECOND[unit]
    if are_bad or low < 0 or high > most:
        return read, (None, None), bad | (read < 0) | (read > float(most))
    first, last = scaled(np.array([low, high]), unit)[0].tolist()
    return _microseconds(read, unit, whole=name != "number"), (first, last), None


def _microseconds(read: Column, unit: Unit, *, whole: bool) -> Column:
    """bigint, as `scaled` computes it; nanoseconds are cut off."""
    if unit == "ns":
        nanoseconds = read if whole else F.floor(read)
        return F.rint((nanoseconds - F.pmod(nanoseconds, F.lit(1000))) / 1000).cast("bigint")
    factor = 10**6 // PER_SECOND[unit]
    return read * F.lit(factor) if whole else F.rint(read * F.lit(float(factor))).cast("bigint")


def _settled(rows: Rows, role: str) -> tuple[Any | None, list[str]]:
    """What becomes of text ids by the rules, as a table of before and after, or None if they stay; and what is odd.

    Raises:
        DataError: some are no ids.
    """
    table = rows.frame.groupBy(role).count().toArrow().sort_by(role)
    ids = table[role].to_pandas().astype("str").rename(role)
    written = replace(WrittenIds.of(ids, rows.ids, untyped=rows.text), counts=table["count"].to_numpy())

    def locate(at: int) -> str:
        return _locate(rows, _first(rows, F.col(role) == ids[at], 1)[0])

    refuse(written.faults(rows.names[role] if rows.named else None, words=rows.ids.null_words == "refuse"), locate)
    settled, notes = written.settled(), written.notes(rows.ids, locate, untyped=rows.text)
    return None if settled is ids else pa.table({role: table[role], AFTER: pa.array(settled)}), notes


def _replaced(spark: SparkSession, frame: DataFrame, role: str, settled: Any) -> DataFrame:
    return frame.join(spark.createDataFrame(settled), role).drop(role).withColumnRenamed(AFTER, role)


def _refuse(rows: Rows, bad: Column) -> None:
    """Let `Ratings.from_frame` say what is wrong with the bad rows, after some good ones that they are compared with.

    Raises:
        DataError: in any case.
    """
    bad = F.coalesce(bad, F.lit(True))
    wrong = _first(rows, bad, MOST)
    good = rows.frame.where(~bad).limit(1000).toArrow().to_pylist()
    sample = pd.DataFrame([*good, *wrong])
    ours = [name for name in COLUMNS if name in sample]
    Ratings.from_frame(
        sample[ours],
        time_unit=rows.unit,
        locate=lambda at: _locate(rows, [*good, *wrong][at]),
        ids=rows.ids,
        names=rows.names if rows.named else {},
        untyped=rows.text,
    )
    got = {name: wrong[0][name] for name in ours}
    allowed = "ids of the log's encoding, finite numbers, ISO 8601 times to the day or finer"
    raise DataError(f"{_locate(rows, wrong[0])} has a value that Spark can't read", got=got, allowed=allowed)


def refuse_lines(rows: Rows, number: int) -> None:
    """Refuse a log by the first of so many lines that are no rows."""
    line = _first(rows, F.col(BAD_LINE).isNotNull(), 1)[0]
    fix = "fix this line" if number == 1 else f"fix the {number:,} such lines"
    raise DataError(
        f"{_locate(rows, line)} has another number of cells or another type than the first, or an open quote",
        got=line[BAD_LINE][:LONGEST],
        allowed=f"lines of {', '.join(rows.names.values())} and the other columns; no quotes that span lines",
        do=f"{fix}; or set engine.kind to pandas, or write the log as Parquet",
    )


def _first(rows: Rows, which: Column, number: int) -> list[dict[str, Any]]:
    """The first of some rows, in the order of the log if it has one."""
    frame = rows.frame.where(which)
    return list((frame.orderBy(*PLACE) if rows.files else frame).limit(number).toArrow().to_pylist())


def _locate(rows: Rows, row: dict[str, Any]) -> str:
    """Where a row is, in words: its file, and its number among the rows of the file."""
    if not rows.files:
        return f"a row of {rows.where}"
    file, block, at = (F.col(name) for name in PLACE)
    before = (block < row["block"]) | ((block == row["block"]) & (at < row["row"]))
    number = rows.frame.where((file == row["file"]) & before).count() + 1
    return f"{rows.files[row['file']]}, row {number:,}"
