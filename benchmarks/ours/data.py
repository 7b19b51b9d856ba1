"""Preparation jobs: write a synthetic log, and prepare it."""

import time
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
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings

ID_STEP = 3  # ids of real logs have gaps
FIRST_TIME, SECONDS = 789_652_009, 780_000_000  # MovieLens 25M: January 1995 to November 2019
RECBOLE_HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def make_log(job: dict[str, Any]) -> dict[str, Any]:
    """Write a synthetic log; not measured."""
    return dict(write_log(Shape(**job["shape"]), Path(job["folder"])))


def write_log(shape: Shape, folder: Path, seed: int = 0) -> dict[str, str]:
    """Write a seeded log with ids, ratings and times twice, sorted by user like MovieLens.

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
