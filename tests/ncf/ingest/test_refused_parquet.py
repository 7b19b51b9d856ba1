"""Parquet files that are refused, each with what the user is told."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.ncf.ingest.log_files import CSV, assert_refused, table

FILES: dict[str, tuple[str | bytes, str]] = {
    "cut short": (
        table()[:-50],
        r"log.parquet can't be read: .*write it again",
    ),
    "of nothing": (b"", r"log.parquet is empty"),
    "in name only": (
        CSV,
        r"log.parquet is no Parquet file: 'text'",
    ),
    "without rows": (
        table(user_id=pa.array([], pa.int64()), item_id=pa.array([], pa.int64())),
        r"has no rows",
    ),
    "without users": (
        table().replace(b"user_id", b"xser_ix"),
        r"no column user_id; it has: \['xser_ix'",
    ),
    "without an id": (
        table(user_id=pa.array([7, None, 9])),
        r"row 2 has an empty user_id \(column user_id\)",
    ),
    "with an empty id": (
        table(item_id=["x", "", "y"]),
        r"log.parquet, row 2 has an unusable item_id",
    ),
    "with a fraction as id": (
        table(user_id=[7.0, 7.5, 9.0]),
        r"column user_id.*7.5; allowed: integers or text",
    ),
    "with lost ids": (
        table(user_id=[7.0, np.nan, 9.0]),
        r"column user_id.*nan",
    ),
    "with ids of bool": (
        table(user_id=[True, False, True]),
        r"unusable type: 'bool'",
    ),
    "with ids beyond int64": (
        table(user_id=pa.array([1, 2, 2**64 - 1], pa.uint64())),
        r"row 3 has an unusable user_id \(column user_id\): 18446744073709551615; allowed: integers or text",
    ),
    "with ratings of text": (
        table(rating=["4", "5", "x"]),
        r"column rating has no numbers: 'string'",
    ),
    "with times of bool": (
        table(timestamp=[True] * 3),
        r"column timestamp has no times: 'bool'",
    ),
    "with a NaN rating": (
        table(rating=[4.0, np.nan, 3.0]),
        r"log.parquet, row 2 has an unusable rating",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_parquet_is_refused(tmp_path: Path, case: str) -> None:
    content, message = FILES[case]
    assert_refused(tmp_path, ({"log.parquet": content}, "log.parquet", {}, message))
