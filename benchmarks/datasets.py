"""The logs of the benchmarks: the paper's MovieLens-1M if it is available, else a synthetic log of the same shape."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.synthetic import synthetic_log
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.split import Pairs
from ncf.data.splits import leave_one_out, split_interactions
from ncf.errors import DataError
from ncf.ingest.config import PaperSource
from ncf.ingest.paper import ENDINGS, load_paper
from ncf.prepare import prepare_split

ROOT = Path(__file__).resolve().parents[1]
ML_1M_VARIABLE = "NCF_ML_1M"


@dataclass(frozen=True)
class Shape:
    """The size of a log; `real` asks for MovieLens-1M itself if its files are available."""

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
        """As JSON values; the inverse is `Shape(**values)`."""
        return asdict(self)


ML_1M = Shape(6_040, 3_706, 1_000_209, real=True)
ML_1M_SYNTHETIC = Shape(6_040, 3_706, 1_000_209)
ML_20M = Shape(138_000, 27_000, 20_000_000)
GRID = Shape(3_000, 2_000, 150_000)
SMALL = Shape(600, 400, 24_000)
SMALL_LARGER = Shape(2_400, 800, 96_000)


def ml_1m_folder() -> Path:
    """The folder of the paper's three files, which are never committed: $NCF_ML_1M, or beside the checkout."""
    return Path(os.environ.get(ML_1M_VARIABLE) or ROOT.parent / "shared" / "data" / "ml-1m").expanduser()


def has_ml_1m() -> bool:
    """Whether the paper's files are available."""
    return all(any(ml_1m_folder().glob(f"ml-1m{ending}*")) for ending in ENDINGS)


def paper_prefix() -> str:
    """Path of the paper's files up to `.train.rating`.

    Raises:
        DataError: a file is missing.
    """
    if not has_ml_1m():
        raise DataError(
            "the files of the paper's MovieLens-1M are missing",
            got=str(ml_1m_folder()),
            allowed=", ".join(f"ml-1m{ending}" for ending in ENDINGS),
            do=f"get them from the folder Data of the authors' repository and set {ML_1M_VARIABLE} to their folder",
        )
    return str(ml_1m_folder() / "ml-1m")


def load(shape: Shape, num_candidates: int = 99) -> PreparedData:
    """Split and prepare a log by leave-one-out.

    Candidates are drawn for MovieLens-1M too, so that all logs are measured in the same way.
    """
    if shape.is_real:
        ratings = load_paper(PaperSource(prefix=paper_prefix()))
        split = replace(split_interactions(to_interactions(ratings)), candidates=None)
    else:
        split = leave_one_out(synthetic_log(shape.num_users, shape.num_items, shape.num_interactions))
    return prepare_split(str(shape), split, num_candidates=num_candidates)


def write_recbole(data: PreparedData, folder: Path) -> None:
    """Write the three splits in RecBole's format: NAME/NAME.{train,valid,test}.inter."""
    name = folder.name
    folder.mkdir(parents=True)
    splits: dict[str, Pairs] = {"train": data.train, "valid": data.validation.pairs, "test": data.test.pairs}
    for split, pairs in splits.items():
        frame = pd.DataFrame({"user_id:token": pairs.users, "item_id:token": pairs.items})
        frame.to_csv(folder / f"{name}.{split}.inter", sep="\t", index=False)
