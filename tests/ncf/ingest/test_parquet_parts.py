"""Parquet files of one log whose types differ and mean the same; those that mean another thing are refused."""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import ids, load

FIRST, SECOND = 1_500_000_000_000000, 1_600_000_000_000000
TIMES = {
    **{unit: pa.array([SECOND], pa.timestamp("us")).cast(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
    "ns with less than a microsecond": pa.array([SECOND * 1000 + 999], pa.timestamp("ns")),
    "date32": pa.array([SECOND], pa.timestamp("us")).cast(pa.date32(), safe=False),
    "date64": pa.array([SECOND], pa.timestamp("us")).cast(pa.date32(), safe=False).cast(pa.date64()),
}


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def both(folder: Path, role: str, one: Any, other: Any) -> list[Any]:
    """What is read of a column that two files have in types of their own."""
    for name, of_file in (("a", one), ("b", other)):
        columns = {"user_id": [1], "item_id": [2], "timestamp": [FIRST]} | {role: of_file}
        if name == "b":  # in another order, with another column
            columns = {"x": [[1]], **dict(reversed(columns.items()))}
        write(folder / f"{name}.parquet", **columns)
    values: list[Any] = load(folder).frame[role].tolist()
    return values


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.uint8(),
        pa.int32(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(38, 0),
        pa.decimal256(40, 2),
    ],
)
@pytest.mark.parametrize("role", ["user_id", "rating"])
def test_numbers_of_all_types_go_together(tmp_path: Path, kind: Any, role: str) -> None:
    other = pa.array([Decimal(7)] if pa.types.is_decimal(kind) else [7], kind)
    assert both(tmp_path, role, pa.array([9]), other) == [9, 7]
    assert both(tmp_path, role, other, pa.array([9])) == [7, 9]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
)
def test_text_of_all_types_goes_together(tmp_path: Path, kind: Any) -> None:
    texts = pa.array(["é7"]).cast(pa.binary()) if pa.types.is_binary(kind) else pa.array(["é7"])
    assert both(tmp_path, "item_id", pa.array(["x"]), texts.cast(kind)) == ["x", "é7"]


@pytest.mark.parametrize("unit", TIMES)
@pytest.mark.parametrize("first", ["s", "ms", "us", "ns"])
def test_times_of_all_units_go_together(tmp_path: Path, first: str, unit: str) -> None:
    one = pa.array([FIRST], pa.timestamp("us")).cast(pa.timestamp(first))
    second = SECOND - SECOND % 86_400_000000 if unit.startswith("date") else SECOND
    assert both(tmp_path, "timestamp", one, TIMES[unit]) == [FIRST, second]


def test_times_of_several_zones_are_instants(tmp_path: Path) -> None:
    one = pa.array([FIRST], pa.timestamp("us", "UTC"))
    other = pa.array([SECOND * 1000 + 7], pa.timestamp("ns", "America/New_York"))
    assert both(tmp_path, "timestamp", one, other) == [FIRST, SECOND]


@pytest.mark.parametrize("name", ["0.parquet", "z.parquet"])
def test_a_part_without_rows_has_no_say_in_the_types(tmp_path: Path, name: str) -> None:
    write(tmp_path / "b.parquet", user_id=["x"], item_id=[2])
    write(tmp_path / name, user_id=pa.array([], pa.null()), nothing=pa.array([], pa.int8()))
    assert ids(load(tmp_path)) == (["x"], [2])


def test_columns_of_bytes_are_told(tmp_path: Path) -> None:
    """As Impala and old Spark write text."""
    write(tmp_path / "a.parquet", user_id=[1], item_id=[b"i3"])
    ratings = load(tmp_path)
    assert ids(ratings) == ([1], ["i3"])
    assert ratings.tally.notes == ("the column item_id is of bytes: they are read as text in UTF-8",)


def test_fields_of_a_struct_have_names_with_a_dot(tmp_path: Path) -> None:
    users = pa.array([{"id": 7, "geo": {"city": "x"}}, {"id": 8, "geo": {"city": "y"}}])
    write(tmp_path / "a.parquet", user=users, **{"item.id": [1, 2]})
    assert ids(load(tmp_path / "a.parquet")) == ([7, 8], [1, 2])
    assert ids(load(tmp_path / "a.parquet", columns={"user": "user.geo.city"})) == (["x", "y"], [1, 2])
    write(tmp_path / "b.parquet", u=pa.array([{"user_id": 7}, None]), item_id=[1, 2])
    with pytest.raises(DataError, match=r"did you mean 'u.user_id'\? set columns.user"):
        load(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b.parquet, row 2 has an empty user_id \(column u.user_id\)"):
        load(tmp_path / "b.parquet", columns={"user": "u.user_id"})


@pytest.mark.parametrize("name", ["a.parquet", "it's $a.parquet"])
def test_lists_are_refused_and_the_script_makes_rows_of_them(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, user_id=[1, 2], item_id=[["a", "b"], ["c"]])
    with pytest.raises(DataError, match=r"column item_id has ids of an unusable type: 'list<") as error:
        load(tmp_path / name)
    script = re.findall(r"python (-c .*)$", str(error.value))[0]
    subprocess.run(["bash", "-c", f"{sys.executable} {script}"], cwd=tmp_path, check=True)
    assert ids(load(tmp_path / "log.parquet")) == ([1, 1, 2], ["a", "b", "c"])


@pytest.mark.parametrize(
    ("role", "one", "other", "message"),
    [
        (
            "user_id",
            [1],
            ["1"],
            r"b.parquet has other columns than .*a.parquet: '.*user_id text.*'; allowed: user_id numb",
        ),
        ("user_id", [1], [1.5], r"b.parquet, row 1 has an unusable user_id \(column user_id\): 1.5"),
        (
            "user_id",
            [1],
            [Decimal("1.5")],
            r"b.parquet, row 1 has an unusable user_id \(column user_id\): Decimal\('1.5'\)",
        ),
        ("item_id", ["x"], [b"\xff"], r"b.parquet, row 1 has an unusable item_id .*allowed: text in UTF-8"),
        ("user_id", [1], pa.array([None], pa.int64()), r"b.parquet, row 1 has an empty user_id"),
        ("user_id", [1], pa.array([None], pa.null()), r"b.parquet has other columns than .*user_id null"),
        ("rating", [1], pa.array([None], pa.int64()), r"b.parquet, row 1 has an empty rating"),
        ("rating", [1], ["1"], r"b.parquet has other columns than .*rating text"),
        (
            "timestamp",
            [1],
            pa.array([1], pa.timestamp("s")),
            r"b.parquet has other columns than .*timestamp timestamps",
        ),
        (
            "timestamp",
            pa.array([1], pa.timestamp("s", "UTC")),
            pa.array([1], pa.timestamp("s")),
            r"timestamps with a time zone",
        ),
        ("item_id", [1], [[1]], r"b.parquet has other columns than .*list<"),
    ],
)
def test_parts_that_mean_another_thing_are_refused(
    tmp_path: Path, role: str, one: Any, other: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        both(tmp_path, role, one, other)


def test_a_part_without_a_column_of_the_others_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", user_id=[1], item_id=[1], rating=[1])
    write(tmp_path / "b.parquet", user_id=[1], item_id=[1])
    with pytest.raises(DataError, match=r"b.parquet has other columns than .*a.parquet"):
        load(tmp_path)
