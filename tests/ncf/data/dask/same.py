"""A log, ways to prepare it, and the comparison of Dask with pandas."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ncf.data.config import DataConfig, EngineConfig
from ncf.data.prepared import PreparedData
from ncf.data.report import DataReport
from ncf.errors import NCFError
from ncf.ingest.config import FileSource, SourceConfig
from ncf.prepare import prepare_source

START, DAY = 1_600_000_000, 86_400
ROWS = 500


def log(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """A log with repeated pairs, equal times, and rows of one user far apart."""
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": generator.integers(0, 40, rows) * 3 + 5,
            "item_id": (generator.integers(0, 30, rows) ** 2) // 12 + 100,
            "rating": generator.integers(1, 11, rows) / 2,
            "timestamp": START + generator.integers(0, 60, rows) * DAY,
        }
    )


def day(number: int) -> str:
    return pd.Timestamp(START + number * DAY, unit="s", tz="UTC").isoformat()


def both(
    source: SourceConfig, engine: EngineConfig, cache: Path, settings: dict[str, Any] | None = None
) -> tuple[PreparedData, DataReport]:
    """Hold Dask's answer to that of pandas."""
    config = DataConfig.model_validate({"num_candidates": 5, **(settings or {})})
    expected, report = prepare_source("log", source, config, cache=cache)
    found, found_report = prepare_source("log", source, config, engine, cache=cache)
    assert found_report == report
    assert list(found_report.dropped) == list(report.dropped)
    assert found.fingerprint == expected.fingerprint
    assert found.titles.tolist() == expected.titles.tolist()
    assert found.history is not None
    assert expected.history is not None
    assert found.history.early.tolist() == expected.history.early.tolist()
    assert found.history.recent.tolist() == expected.history.recent.tolist()
    assert found.history.by_day.frame().equals(expected.history.by_day.frame())
    assert found.history.last_time == expected.history.last_time
    assert found.user_ids.dtype == expected.user_ids.dtype
    assert (found.labels is None) == (expected.labels is None)
    assert not list(cache.glob(".dask-*"))
    return found, found_report


def refused(source: SourceConfig, engine: EngineConfig, cache: Path, settings: dict[str, Any] | None = None) -> str:
    """The error of both."""
    config = DataConfig.model_validate(settings or {})
    with pytest.raises(NCFError) as expected:
        prepare_source("log", source, config, cache=cache)
    with pytest.raises(NCFError) as found:
        prepare_source("log", source, config, engine, cache=cache)
    assert str(found.value) == str(expected.value)
    assert type(found.value) is type(expected.value)
    assert not list(cache.glob(".dask-*"))
    return str(found.value)


def csv(frame: pd.DataFrame, path: Path, **columns: Any) -> FileSource:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return FileSource(path=str(path), **columns)


SETTINGS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "the first of a repeated pair": {"filters": {"repeated": "first"}},
    "sums of repeated pairs, from a threshold on": {"filters": {"repeated": "sum"}, "feedback": {"threshold": 4}},
    "explicit": {"feedback": {"kind": "explicit", "scale": [0.5, 5]}},
    "explicit sums": {"feedback": {"kind": "explicit", "scale": [0.5, 50]}, "filters": {"repeated": "sum"}},
    "as of": {"filters": {"as_of": day(40)}},
    "active": {"filters": {"users_active_since": day(52), "items_active_since": day(55)}},
    "enough a user": {"filters": {"min_per_user": 11}},
    "enough an item": {"filters": {"min_per_item": 15}},
    "k-core": {"filters": {"min_per_user": 6, "min_per_item": 12}},
    "a few users": {"filters": {"max_users": 7}},
    "everything at once": {
        "feedback": {"threshold": 1.5},
        "filters": {
            "as_of": day(55),
            "repeated": "first",
            "users_active_since": day(35),
            "items_active_since": day(44),
            "min_per_user": 5,
            "min_per_item": 5,
            "max_users": 20,
        },
    },
    "temporal": {"split": {"kind": "temporal", "validation_from": day(40), "test_from": day(50)}},
    "random": {"split": {"kind": "random", "seed": 3}},
}


def several_files(folder: Path) -> FileSource:
    frame = log()
    for number, (begin, end) in enumerate([(0, 130), (130, 131), (131, 400), (400, ROWS)]):
        csv(frame[begin:end], folder / "logs" / f"day-{number}.csv")
    return FileSource(path=str(folder / "logs"))


def a_split_of_its_own(folder: Path) -> FileSource:
    frame = log().drop_duplicates(["user_id", "item_id"])
    part = np.random.default_rng(1).choice(3, len(frame), p=[0.8, 0.1, 0.1])
    train = set(frame.user_id[part == 0])
    known = frame.user_id.isin(train)
    csv(frame[(part == 1) & known], folder / "validation.csv")
    csv(frame[(part == 2) & known], folder / "test.csv")
    return csv(
        frame[part == 0],
        folder / "train.csv",
        validation_path=str(folder / "validation.csv"),
        test_path=str(folder / "test.csv"),
    )
