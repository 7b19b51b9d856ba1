"""Preparation jobs: write a synthetic log, and prepare it."""

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.datasets import Shape
from benchmarks.synthetic import synthetic_log
from ncf.data import COLUMNS
from ncf.data.config import DataConfig
from ncf.data.storage import save_prepared
from ncf.ingest.config import FileSource
from ncf.ingest.engine import EngineConfig
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings, prepare_source

ID_STEP = 3  # ids of real logs have gaps
FIRST_TIME, SECONDS = 789_652_009, 780_000_000  # MovieLens 25M: January 1995 to November 2019
RECBOLE_HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def make_log(job: dict[str, Any]) -> dict[str, Any]:
    """Write a synthetic log; not measured."""
    return dict(write_log(Shape(**job["shape"]), Path(job["folder"]), for_peer=job.get("for_peer", True)))


def write_log(shape: Shape, folder: Path, seed: int = 0, *, for_peer: bool = True) -> dict[str, str]:
    """Write a seeded log with ids, ratings and times, sorted by user like MovieLens; for the peer, a second time.

    Returns:
        "csv": path of a comma-separated file with a header; "inter": the folder of RecBole's file `log/log.inter`.
    """
    log = synthetic_log(shape.num_users, shape.num_items, shape.num_interactions, seed)
    generator = np.random.default_rng(seed + 1)
    columns = (
        1 + ID_STEP * log.users,
        1 + ID_STEP * log.items,
        generator.integers(1, 11, len(log.users)) / 2,
        FIRST_TIME + generator.integers(0, SECONDS, len(log.users)),
    )
    table = pa.table(dict(zip(COLUMNS, columns, strict=True)))
    (folder / "log").mkdir(parents=True)
    csv, inter = folder / "log.csv", folder / "log" / "log.inter"
    pyarrow.csv.write_csv(table, csv)
    if for_peer:
        with inter.open("wb") as file:
            file.write(f"{RECBOLE_HEADER}\n".encode())
            pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=False, delimiter="\t"))
    return {"csv": str(csv), "inter": str(folder)}


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


def prepare_with_spark(job: dict[str, Any]) -> dict[str, Any]:
    """The same with two executors of this machine; the start of Spark is counted."""
    [folder] = find_spec("pyspark").submodule_search_locations  # type: ignore[misc, union-attr]
    os.environ |= {"SPARK_HOME": folder, "SPARK_LOCAL_IP": "127.0.0.1"}  # where the executors' program is
    conf = {
        "spark.executor.memory": f"{job['executor_mb']}m",
        "spark.driver.memory": "2g",
        "spark.local.dir": str(Path(job["folder"]).parent / "spark"),
    }
    engine = EngineConfig(kind="spark", master=f"local-cluster[2,1,{job['executor_mb']}]", conf=conf)
    started = time.perf_counter()
    data = prepare_source("log", FileSource(path=job["path"]), DataConfig(), engine=engine)
    prepared = time.perf_counter()
    save_prepared(data, Path(job["folder"]))
    saved = time.perf_counter()
    return {
        "seconds": saved - started,
        "stages": {"spark, splits and candidates": prepared - started, "save": saved - prepared},
        "rows": data.report.rows_read,
        "fingerprint": data.fingerprint,
    }
