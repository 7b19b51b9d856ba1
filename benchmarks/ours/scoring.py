"""Evaluation and recommendation jobs."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.datasets import Shape, load
from benchmarks.ours.training import build
from ncf.config import NeuMFConfig
from ncf.data.prepared import PreparedData
from ncf.evaluation.metrics import mean_with_interval
from ncf.evaluation.ranking import CUTOFF, HoldoutRanker, metric_values
from ncf.models.build import Model
from ncf.sampling.sampler import UnseenItems, draw_candidates
from ncf.serving.batch.files import FileTarget
from ncf.serving.batch.lists import Lists
from ncf.serving.batch.write import write_lists
from ncf.serving.bundle import Bundle
from ncf.serving.config import FileOutput
from ncf.serving.recommender import Recommender


def evaluate(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds from prepared data to the metrics' means, test holdout, by one protocol: "full" or "sampled".

    The sampled one has candidates, 99 a user; the seconds of drawing them come beside.
    """
    data = load(Shape(**job["shape"]))
    model = build(job, data).eval()
    unseen = UnseenItems.of(data.everything, data.num_users, data.num_items)
    users = torch.as_tensor(data.test.pairs.users)
    generator = torch.Generator().manual_seed(0)
    rank_by = {"full": _rank_all, "sampled": _rank_candidates}[job["protocol"]]
    draw = _median_seconds(lambda: draw_candidates(unseen, users, 99, generator), job["repeats"])
    rank = _median_seconds(lambda: rank_by(data, model), job["repeats"])
    return {"draw_seconds": draw, "rank_seconds": rank, "users": len(users)}


def _rank_all(data: PreparedData, model: Model) -> None:
    HoldoutRanker(data, "test").rank_all(model).summary()


def _rank_candidates(data: PreparedData, model: Model) -> None:
    ranks = HoldoutRanker(data, "test").rank_all_candidates(model)
    for values in metric_values("sampled", ranks, (CUTOFF,), ("hr", "ndcg")).values():
        mean_with_interval(values)


def _median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median over the repeats, after one call that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def make_bundle(job: dict[str, Any]) -> dict[str, Any]:
    """Save an untrained model with the data it would have been trained on; not measured."""
    data = load(Shape(**job["shape"]), num_candidates=1)
    config = NeuMFConfig(embedding_dim=job["embedding_dim"], layers=tuple(job["layers"]))
    Bundle.of(build(job, data).eval(), config, data).save(Path(job["folder"]))
    return {}


def recommend(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds from a saved bundle to a frame with the best 10 of every user; the process's peak memory is the row's."""
    started = time.perf_counter()
    recommender = Recommender.load(Path(job["folder"]))
    loaded = time.perf_counter()
    top = recommender.recommend(recommender.bundle.user_ids.tolist(), k=10)
    return {"load_seconds": loaded - started, "seconds": time.perf_counter() - started, "recommendations": len(top)}


def write(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds from a saved bundle to a Parquet file with the best 10 of every user, block by block."""
    started = time.perf_counter()
    recommender = Recommender.load(Path(job["folder"]))
    loaded = time.perf_counter()
    lists = Lists.of(recommender, recommender.bundle.user_ids, k=10)
    scratch = Path(job["folder"]).with_name("lists")
    target = FileTarget.of(FileOutput(path=str(scratch / "lists.parquet")))
    done = write_lists(lists, 1, target, scratch / "parts")
    return {
        "load_seconds": loaded - started,
        "seconds": time.perf_counter() - started,
        "recommendations": done["rows"],
        "file_mb": (scratch / "lists.parquet").stat().st_size / 1e6,
    }
