"""What the speed is measured on: the paper's MovieLens-1M where it is, else a made-up log of its shape."""

import gzip
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.synthetic import synthetic_log
from ncf.data.interactions import Interactions
from ncf.data.prepared import PreparedData, prepare
from ncf.data.split import Pairs, leave_one_out

ROOT = Path(__file__).resolve().parents[1]
ML_1M_FOLDER = ROOT.parent / "shared" / "data" / "ml-1m"  # the three files of the paper's authors; never committed


@dataclass(frozen=True)
class Shape:
    """A data set by its numbers; `real` asks for MovieLens-1M itself, where its files are."""

    num_users: int
    num_items: int
    num_interactions: int
    real: bool = False

    @property
    def is_real(self) -> bool:
        """Whether the log is MovieLens-1M itself."""
        return self.real and has_ml_1m()

    def __str__(self) -> str:
        numbers = f"{self.num_users:,} users, {self.num_items:,} items, {self.num_interactions:,} interactions"
        return f"{'MovieLens-1M' if self.is_real else 'synthetic log'} ({numbers})"

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; `Shape(**values)` is the way back."""
        return asdict(self)


ML_1M = Shape(6_040, 3_706, 1_000_209, real=True)
ML_1M_SYNTHETIC = Shape(6_040, 3_706, 1_000_209)
ML_20M = Shape(138_000, 27_000, 20_000_000)
SMALL = Shape(600, 400, 24_000)
SMALL_LARGER = Shape(2_400, 800, 96_000)


def has_ml_1m() -> bool:
    """Whether the paper's files are there."""
    return (ML_1M_FOLDER / "ml-1m.train.rating.gz").is_file() and (ML_1M_FOLDER / "ml-1m.test.rating").is_file()


def load(shape: Shape, num_candidates: int = 99) -> PreparedData:
    """Split and prepare the log: the newest interaction is the test, the one before it the validation."""
    log = ml_1m_log() if shape.is_real else synthetic_log(shape.num_users, shape.num_items, shape.num_interactions)
    return prepare(str(shape), leave_one_out(log), num_candidates=num_candidates)


def ml_1m_log() -> Interactions:
    """MovieLens-1M in the paper's split: each user's test item comes last, so that leave-one-out finds it again."""
    names = ["user", "item", "rating", "time"]
    with gzip.open(ML_1M_FOLDER / "ml-1m.train.rating.gz", "rt", encoding="utf-8") as file:
        train = pd.read_csv(file, sep="\t", names=names)
    test = pd.read_csv(ML_1M_FOLDER / "ml-1m.test.rating", sep="\t", names=names)
    train, test = train.assign(part=0), test.assign(part=1)
    log = pd.concat([train, test], ignore_index=True).sort_values(["user", "part", "time"], kind="stable")
    users, items = log["user"].to_numpy(np.int64), log["item"].to_numpy(np.int64)
    return Interactions(np.arange(users.max() + 1), np.arange(items.max() + 1), users, items)


def write_recbole(data: PreparedData, folder: Path) -> None:
    """Write the three splits as RecBole reads them: FOLDER/NAME/NAME.{train,valid,test}.inter."""
    name = folder.name
    folder.mkdir(parents=True)
    parts: dict[str, Pairs] = {"train": data.train, "valid": data.validation.pairs, "test": data.test.pairs}
    for part, pairs in parts.items():
        frame = pd.DataFrame({"user_id:token": pairs.users, "item_id:token": pairs.items})
        frame.to_csv(folder / f"{name}.{part}.inter", sep="\t", index=False)
