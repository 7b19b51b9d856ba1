"""Times that are no ISO 8601 text, in a unit of their own, or far from the others: read, asked for, or told."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ncf.errors import ConfigError, DataError
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings
from tests.ncf.ingest.log_files import load

FIRST, SECOND = 1_569_888_061_000_000, 1_569_937_025_000_000  # 2019-10-01T00:01:01Z and 13:37:05Z
UTC_DATES = (FIRST // 86_400_000_000 * 86_400_000_000,)


def log(*times: object) -> str:
    return "user_id,item_id,timestamp\n" + "".join(f'{row},{row % 2},"{time}"\n' for row, time in enumerate(times))


def read(path: Path, *times: object, **settings: Any) -> list[int]:
    found: list[int] = load(path, log(*times), **settings).frame["timestamp"].tolist()
    return found


def refused(path: Path, *times: object) -> str:
    with pytest.raises(DataError) as error:
        load(path, log(*times))
    return str(error.value)


@pytest.mark.parametrize(
    "times",
    [
        ("2019-10-01 00:01:01 UTC", "2019-10-01 13:37:05 UTC"),
        ("2019-10-01 00:01:01 +0000 UTC", "2019-10-01 15:37:05 +0200 UTC"),
        ("2019-10-01 00:01:01,000", "2019-10-01 13:37:05,000"),
        ("2019-10-01T00:01:01.000Z", "2019-10-01 13:37:05 GMT"),
        ("2019/10/01 00:01:01", "2019/10/01 13:37:05"),
        ("20191001 000101", "20191001 133705"),
    ],
)
def test_what_databases_and_loggers_make_of_iso_8601_is_read(tmp_path: Path, times: tuple[str, str]) -> None:
    assert read(tmp_path / "log.csv", *times) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("times", "time_format"),
    [
        (("2019-10-01 12:01:01 AM", "2019-10-01 01:37:05 PM"), "%Y-%m-%d %I:%M:%S %p"),
        (("01 Oct 2019 00:01:01", "01 Oct 2019 13:37:05"), "%d %b %Y %H:%M:%S"),
        (("Tue Oct 01 00:01:01 +0000 2019", "Tue Oct 01 13:37:05 +0000 2019"), "%a %b %d %H:%M:%S %z %Y"),
        (("01/Oct/2019:00:01:01 +0000", "01/Oct/2019:15:37:05 +0200"), "%d/%b/%Y:%H:%M:%S %z"),
    ],
)
def test_a_refusal_names_the_one_format_that_reads_the_times(
    tmp_path: Path, times: tuple[str, str], time_format: str
) -> None:
    message = refused(tmp_path / "log.csv", *times)
    assert f"set time_format to {time_format!r} (2019-10-01T00:01:01Z), whichever makes of {times[0]!r}" in message
    assert read(tmp_path / "log.csv", *times, time_format=time_format) == [FIRST, SECOND]


def test_between_day_and_month_the_user_chooses(tmp_path: Path) -> None:
    times = ("10/01/2019 00:01", "10/02/2019 00:01")
    message = refused(tmp_path / "log.csv", *times)
    assert (
        "set time_format to '%m/%d/%Y %H:%M' (2019-10-01T00:01:00Z) or '%d/%m/%Y %H:%M' (2019-01-10T00:01:00Z)"
        in message
    )
    american = read(tmp_path / "log.csv", *times, time_format="%m/%d/%Y %H:%M")
    assert [str(pd.Timestamp(time, unit="us")) for time in american] == ["2019-10-01 00:01:00", "2019-10-02 00:01:00"]
    european = read(tmp_path / "log.csv", *times, time_format="%d/%m/%Y %H:%M")
    assert [str(pd.Timestamp(time, unit="us")) for time in european] == ["2019-01-10 00:01:00", "2019-02-10 00:01:00"]


def test_a_day_beyond_twelve_anywhere_decides(tmp_path: Path) -> None:
    message = refused(tmp_path / "log.csv", "01.10.2019 0:01", "13.10.2019 0:01")
    assert "set time_format to '%d.%m.%Y %H:%M' (2019-10-01T00:01:00Z), whichever" in message
    message = refused(tmp_path / "log.csv", "01.10.2019", "13.10.2019", "soon")
    assert "right time, and fix or remove the 1 rows that it can't read" in message


def test_what_a_format_can_not_read_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3 has an unusable timestamp: '2019-10-02'; allowed: .*'%d/%m/%Y'"):
        read(tmp_path / "log.csv", "01/10/2019", "2019-10-02", time_format="%d/%m/%Y")


def test_a_format_keeps_the_zeros_of_numbers(tmp_path: Path) -> None:
    assert read(tmp_path / "log.csv", "01102019", "02102019", time_format="%d%m%Y")[0] == UTC_DATES[0]


def test_a_format_that_is_none_and_one_beside_a_unit_are_refused() -> None:
    with pytest.raises(ConfigError, match="time_format is refused.*bad directive"):
        load_ratings("log.csv", time_format="%Y-%Q")
    with pytest.raises(ValueError, match="time_format is for text, time_unit for numbers"):
        FileSource(path="log.csv", time_format="%Y", time_unit="s")


def test_a_format_holds_for_frames(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "timestamp": [20191001, 20191002]})
    assert load_ratings(frame, time_format="%Y%m%d").frame["timestamp"].tolist()[0] == UTC_DATES[0]


@pytest.mark.parametrize(
    ("unit", "times"),
    [
        ("excel", (43739.000706018515, 43739.567418981482)),
        ("ticks", (637054848610000000, 637055338250000000)),
        ("filetime", (132143616610000000, 132144106250000000)),
        ("webkit", (13214361661000000, 13214410625000000)),
    ],
)
def test_units_of_other_programs_are_asked_for_and_read(tmp_path: Path, unit: str, times: tuple[float, float]) -> None:
    message = refused(tmp_path / "log.csv", *times)
    assert f"set time_unit to {unit} if the first is 2019-10-01T00:01:01Z" in message, message
    assert read(tmp_path / "log.csv", *times, time_unit=unit) == [FIRST, SECOND]


def test_days_are_asked_for_and_read(tmp_path: Path) -> None:
    assert "set time_unit to d if the first is 2019-10-01T00:00:00Z, to s if" in refused(
        tmp_path / "log.csv", 18170, 18171
    )
    assert read(tmp_path / "log.csv", 18170, time_unit="d") == [UTC_DATES[0]]
    assert read(tmp_path / "log.csv", 18170, 18171, time_unit="s") == [18_170_000_000, 18_171_000_000]
    assert "set time_unit to excel if" in refused(tmp_path / "log.csv", 43739, 0, 43740)


def test_times_of_a_far_century_are_asked_for(tmp_path: Path) -> None:
    tenths = (15_698_880_610, 15_698_880_620)
    assert "taken as s, as its size tells, this is of the year 2467" in refused(tmp_path / "log.csv", *tenths)
    assert read(tmp_path / "log.csv", *tenths, time_unit="s")[0] == 15_698_880_610_000_000


def told(path: Path, *times: object) -> list[str]:
    return [note.replace(str(path), "LOG") for note in load(path, log(*times)).tally.notes]


def test_times_far_from_the_others_are_told_with_their_lines(tmp_path: Path) -> None:
    good = [1_569_888_061 + 60 * row for row in range(30)]
    path = tmp_path / "log.csv"
    assert told(path, *good) == []
    assert told(path, *good[:2], 0, *good[2:], 0) == [
        "timestamp: rows of 1970-01-01, perhaps 0 for none; they count as the oldest: 2, as 1970-01-01T00:00:00Z in "
        "LOG, line 4, 1970-01-01T00:00:00Z in LOG, line 33"
    ]
    ninth = told(path, *(f"2019-10-01T00:{row:02}:00Z" for row in range(30)), "9999-12-31T00:00:00Z")
    assert [note[-42:] for note in ninth] == ["1, as 9999-12-31T00:00:00Z in LOG, line 32"]
    assert told(path, *good, 4_102_444_800) == [
        "timestamp: rows in the future; they count as the newest, which are held out: 1, as 2100-01-01T00:00:00Z in "
        "LOG, line 32"
    ]
    assert told(path, 978_307_200, *good) == [
        "timestamp: rows far from the others: 1, as 2001-01-01T00:00:00Z in LOG, line 2"
    ]


def test_an_old_log_that_grew_slowly_has_nothing_odd(tmp_path: Path) -> None:
    years = [2**31 // 2 + 86_400 * 30 * row for row in range(60)] + [1_569_888_061 + row for row in range(500)]
    assert told(tmp_path / "log.csv", *years) == []
    assert told(tmp_path / "log.csv", 1, 2, 3, 4) == []
