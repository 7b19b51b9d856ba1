"""Preparation jobs."""

import time
from pathlib import Path
from typing import Any

from benchmarks.datasets import Shape
from benchmarks.logs import write_log
from ncf.data.config import DataConfig
from ncf.data.storage import save_prepared
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings


def make_log(job: dict[str, Any]) -> dict[str, Any]:
    """Write a made-up log; not measured."""
    return dict(write_log(Shape(**job["shape"]), Path(job["folder"])))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds from a file to a prepared data set on disk, by stage; imports are not counted."""
    started = time.perf_counter()
    ratings = load_ratings(FileSource(path=job["path"]))
    read = time.perf_counter()
    data = prepare_ratings(ratings, DataConfig(), name="log")
    report = data.report
    prepared = time.perf_counter()
    save_prepared(data, Path(job["folder"]))
    saved = time.perf_counter()
    return {
        "seconds": saved - started,
        "stages": {"read": read - started, "prepare": prepared - read, "save": saved - prepared},
        "rows": report.rows_read,
        "fingerprint": data.fingerprint,
    }
