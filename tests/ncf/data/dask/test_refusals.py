"""What pandas refuses, Dask refuses in the same words."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ncf.data.config import EngineConfig
from ncf.ingest.config import FileSource
from tests.ncf.data.dask.same import ROWS, a_split_of_its_own, csv, day, log, refused, several_files

pytestmark = pytest.mark.usefixtures("small_pieces")


def changed(rows: dict[int, object], column: str) -> pd.DataFrame:
    frame = log().astype({column: "object"})
    for row, value in rows.items():
        frame.loc[row, column] = value
    return frame


REFUSED: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "ids of white space": (changed({140: "  ", 141: " ", 333: " "}, "user_id"), {}, "the 3 such rows"),
    "a word for an empty id": (changed({140: "NULL", 333: "NULL"}, "item_id"), {}, "line 142"),
    "another unit further on": (changed(dict.fromkeys(range(300, 340), 1600000000000), "timestamp"), {}, "ms"),
    "another unit in most": (changed(dict.fromkeys(range(100, 500), 1600000000000), "timestamp"), {}, "is ms"),
    "dates as numbers": (log().assign(timestamp=20250131), {}, "time_unit"),
    "a time beyond the calendar": (changed({450: 999_999_999_999_999_999, 451: -5}, "timestamp"), {}, "line 4"),
    "two faults": (changed({140: "  "}, "user_id").assign(rating=np.nan), {}, "line"),
    "a number among ISO times": (
        changed({row: day(1) if row != 400 else 17 for row in range(ROWS)}, "timestamp"),
        {},
        "line 402",
    ),
    "text for a rating": (changed({77: "good"}, "rating"), {}, "line 79"),
    "ratings outside of the scale": (
        changed({20: 7, 480: 9}, "rating"),
        {"feedback": {"kind": "explicit", "scale": [0.5, 5]}},
        "the 2 such ratings",
    ),
    "sums outside of the scale": (
        log(),
        {"feedback": {"kind": "explicit", "scale": [0.5, 9]}, "filters": {"repeated": "sum"}},
        "outside of the scale",
    ),
    "nothing before": (log(), {"filters": {"as_of": day(-1)}}, "no interaction is left"),
    "no user with enough": (log(), {"filters": {"min_per_user": 5, "min_per_item": 400}}, "k-core, "),
    "a filter by time without times": (
        log().drop(columns="timestamp"),
        {"filters": {"as_of": day(3)}},
        "data.filters.as_of",
    ),
    "a column that is not there": (log().drop(columns="item_id"), {}, "item_id"),
    "one item": (log().assign(item_id=3), {}, "one item"),
    "no rows": (log(0), {}, "no rows"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("frame", "settings", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_said_in_the_same_words(
    frame: pd.DataFrame, settings: dict[str, Any], words: str, cluster: EngineConfig, tmp_path: Path, cache: Path
) -> None:
    assert words in refused(csv(frame, tmp_path / "log.csv"), cluster, cache, settings)


@pytest.mark.slow
def test_a_line_that_is_wrong_in_one_of_several_files(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    source = several_files(tmp_path)
    path = tmp_path / "logs" / "day-2.csv"
    lines = path.read_text().splitlines()
    lines[60] += ",7"
    path.write_text("\n".join(lines))
    assert "day-2.csv" in refused(source, cluster, cache)


@pytest.mark.slow
def test_a_fault_in_one_of_several_files_is_found_there(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    source = several_files(tmp_path)
    path = tmp_path / "logs" / "day-2.csv"
    lines = path.read_text().splitlines()
    lines[60] = "   " + lines[60][lines[60].index(",") :]
    path.write_text("\n".join(lines))
    assert "day-2.csv, line 61" in refused(source, cluster, cache)


@pytest.mark.slow
def test_a_pair_in_two_parts_of_a_given_split(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    source = a_split_of_its_own(tmp_path)
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    leaks = test.read_text().splitlines()[1:6]
    train.write_text(train.read_text() + "\n".join(leaks) + "\n")
    assert "the other 4 such pairs" in refused(source, cluster, cache)


@pytest.mark.slow
def test_a_filter_against_a_given_split(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    refused(a_split_of_its_own(tmp_path), cluster, cache, {"filters": {"min_per_user": 3}})


@pytest.mark.slow
def test_a_file_that_is_not_there(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    refused(FileSource(path=str(tmp_path / "nothing.csv")), cluster, cache)
