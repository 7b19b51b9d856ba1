"""Made-up logs as files: the rows of a shape with ids, ratings and times, seeded."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.datasets import Shape
from benchmarks.synthetic import synthetic_log
from ncf.data.columns import COLUMNS

ID_STEP = 3  # ids of real logs have gaps
FIRST_TIME, SECONDS = 789_652_009, 780_000_000  # MovieLens 25M: January 1995 to November 2019
RECBOLE_HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def write_log(shape: Shape, folder: Path, seed: int = 0) -> dict[str, str]:
    """Write the same rows twice, user by user as MovieLens has them.

    Returns:
        "csv": a comma-separated file with a header; "inter": the folder of RecBole's file `log/log.inter`.
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
