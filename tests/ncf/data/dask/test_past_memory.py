"""A log that is larger than what a worker may use."""

import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import csv

from ncf.data.config import DataConfig, EngineConfig
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings, prepare_source

ROWS, USERS, ITEMS = 6_000_000, 60_000, 20_000
MEMORY_MB = 500
WORKERS = 2


class Watch(threading.Thread):
    """Looks at the new processes below this one that hold more than a Python interpreter needs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.others = set(psutil.Process().children(recursive=True))  # such as the servers of other tests
        self.peaks: dict[int, float] = defaultdict(float)
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            for process in set(psutil.Process().children(recursive=True)) - self.others:
                try:
                    memory = process.memory_info().rss / 1e6
                except psutil.Error:
                    continue
                if memory > 120:
                    self.peaks[process.pid] = max(self.peaks[process.pid], memory)


def written(path: Path) -> FileSource:
    """Rows of users with ids as long as those of a shop, in the order of time."""
    generator = np.random.default_rng(0)
    users = pa.array([f"customer-{number * 7919:024}" for number in range(USERS)])
    items = pa.array([f"article-{number * 104_729:024}" for number in range(ITEMS)])
    columns = {
        "user_id": pa.DictionaryArray.from_arrays(pa.array(generator.integers(0, USERS, ROWS)), users),
        "item_id": pa.DictionaryArray.from_arrays(pa.array(generator.integers(0, ITEMS, ROWS)), items),
        "rating": pa.array(generator.integers(1, 11, ROWS) / 2),
        "timestamp": pa.array(1_600_000_000 + np.arange(ROWS)),
    }
    with csv.CSVWriter(path, pa.schema([(name, _plain(values.type)) for name, values in columns.items()])) as out:
        for begin in range(0, ROWS, 500_000):
            part = {name: values.slice(begin, 500_000) for name, values in columns.items()}
            out.write(pa.table({name: values.cast(_plain(values.type)) for name, values in part.items()}))
    return FileSource(path=str(path))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


@pytest.mark.slow
def test_a_log_larger_than_a_worker(tmp_path: Path) -> None:
    source = written(tmp_path / "log.csv")
    filters = {"as_of": "2020-11-15T00:00:00Z", "min_per_user": 70, "min_per_item": 190, "max_users": 20_000}
    config = DataConfig.model_validate({"filters": filters})
    engine = EngineConfig(kind="dask", workers=WORKERS, worker_memory_mb=MEMORY_MB)
    watch = Watch()
    watch.start()
    found, report = prepare_source("log", source, config, engine, tmp_path / "cache")
    watch.done.set()
    watch.join()
    assert len(watch.peaks) == WORKERS, f"a worker was lost and replaced: {dict(watch.peaks)}"
    assert max(watch.peaks.values()) < MEMORY_MB
    ratings = load_ratings(source)
    assert ratings.frame.memory_usage(index=False, deep=True).sum() > MEMORY_MB * 1e6
    expected, expected_report = prepare_ratings("log", ratings, config)
    assert report == expected_report
    assert found.fingerprint == expected.fingerprint
