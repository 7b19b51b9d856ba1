"""The logs of the quality jobs by name."""

from benchmarks.datasets import SMALL, load, paper_prefix
from ncf.data.config import DataConfig
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.splits import split_interactions
from ncf.ingest.config import MovieLensSource, PaperSource
from ncf.ingest.load import load_ratings
from ncf.ingest.paper import load_paper
from ncf.prepare import prepare_ratings, prepare_split

ML_1M, ML_100K, SYNTHETIC = "ml-1m", "ml-100k", "synthetic"


def prepared(name: str) -> PreparedData:
    """MovieLens-1M with the paper's split and candidates, MovieLens-100K as in `make retrain`, or a small log."""
    match name:
        case "ml-1m":
            split = split_interactions(to_interactions(load_paper(PaperSource(prefix=paper_prefix()))))
            return prepare_split(name, split)
        case "ml-100k":
            return prepare_ratings(load_ratings(MovieLensSource()), DataConfig(), name=name)
        case _:
            return load(SMALL)
