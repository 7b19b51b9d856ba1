"""Preparation jobs."""

import time
from pathlib import Path
from typing import Any

from benchmarks.children import largest_child
from benchmarks.datasets import Shape
from benchmarks.logs import write_log
from ncf.data.config import DataConfig, EngineConfig
from ncf.data.storage import save_prepared
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings, prepare_source


def make_log(job: dict[str, Any]) -> dict[str, Any]:
    """Write a made-up log; not measured."""
    return dict(write_log(Shape(**job["shape"]), Path(job["folder"])))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds from a file to a prepared data set on disk, by stage; imports are not counted."""
    started = time.perf_counter()
    ratings = load_ratings(FileSource(path=job["path"]))
    read = time.perf_counter()
    data, report = prepare_ratings("log", ratings, DataConfig())
    prepared = time.perf_counter()
    save_prepared(data, Path(job["folder"]))
    saved = time.perf_counter()
    return {
        "seconds": saved - started,
        "stages": {"read": read - started, "prepare": prepared - read, "save": saved - prepared},
        "rows": report.rows_read,
        "fingerprint": data.fingerprint,
    }


def prepare_by_dask(job: dict[str, Any]) -> dict[str, Any]:
    """The same by Dask's workers, and the peak of the largest process among them."""
    engine = EngineConfig(kind="dask", workers=job["workers"], worker_memory_mb=job["worker_memory_mb"])
    with largest_child() as peak:
        started = time.perf_counter()
        source = FileSource(path=job["path"])
        data, report = prepare_source("log", source, DataConfig(), engine, Path(job["cache"]))
        save_prepared(data, Path(job["folder"]))
        seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "worker_peak_mb": peak[0],
        "rows": report.rows_read,
        "fingerprint": data.fingerprint,
    }
