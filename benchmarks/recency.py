"""What is it worth that newer interactions count more? `python -m benchmarks.recency` (about half an hour on one core).

Baselines and GMF (the objective of iALS) on MovieLens-100K as `make retrain` splits it, the same with the interactions
of one second in random order, and MovieLens-1M in the paper's split (baselines alone; left out where its files are not
at hand). Settings are chosen by validation; the test is read once for each row.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ours.logs import ML_1M, prepared
from docs.site.blocks import write
from ncf.config import GMFConfig, RecencyConfig, TrainingConfig
from ncf.data.config import DataConfig
from ncf.data.prepared import PreparedData
from ncf.errors import NCFError
from ncf.evaluation.baselines import EASE, IALS, ItemKNN, can_ials
from ncf.evaluation.ranking import HoldoutRanker, Scorer
from ncf.files import write_json
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import load_ratings
from ncf.models.build import build_model
from ncf.prepare import prepare_ratings
from ncf.training.fit import fit

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs/explanation/recency.md"
HALF_LIVES = (None, 2.0, 4.0, 8.0, 16.0)
FLOOR, SEED, FACTORS, EPOCHS = 0.02, 0, 64, 25
HR, NDCG = "full/hr_at_10", "full/ndcg_at_10"

Fit = Callable[[PreparedData, RecencyConfig, float], Scorer]
METHODS: dict[str, tuple[Fit, tuple[float, ...]]] = {  # how to fit, and the values of its most important setting
    "item-kNN": (lambda data, recency, size: ItemKNN(data, neighbours=int(size), recency=recency), (20, 100)),
    "EASE": (lambda data, recency, l2: EASE(data, l2=l2, recency=recency), (30, 100, 300)),
    "iALS": (
        lambda data, recency, alpha: IALS(
            data, factors=FACTORS, regularization=10.0, alpha=alpha, iterations=15, seed=SEED, recency=recency
        ),
        (1, 4),
    ),
}


def main() -> None:
    """Measure, print and write benchmarks/results/recency.{md,json} and the table of docs/explanation/recency.md."""
    rows: list[dict[str, Any]] = []
    for name, data in logs():
        for method in measured(name, data):
            rows += method
            write_json(RESULTS / "recency.json", rows)
            (RESULTS / "recency.md").write_text(as_markdown(rows), encoding="utf-8")
            write(PAGE, "recency", as_markdown(rows))
    print(as_markdown(rows))  # noqa: T201


def logs() -> Iterator[tuple[str, PreparedData]]:
    """The prepared data sets by name."""
    ratings = load_ratings(MovieLensSource())
    yield "ML-100K", prepare_ratings(ratings, DataConfig(), name="ml-100k")
    order = np.random.default_rng(SEED).permutation(len(ratings.frame))
    shuffled = replace(ratings, frame=ratings.frame.iloc[order].reset_index(drop=True))
    yield "ML-100K, ties in random order", prepare_ratings(shuffled, DataConfig(), name="ml-100k")
    try:
        yield "ML-1M", prepared(ML_1M)
    except NCFError as error:
        print(f"without MovieLens-1M: {error}")  # noqa: T201


def measured(log: str, data: PreparedData) -> Iterator[list[dict[str, Any]]]:
    """For each method, a row for each half-life."""
    judge, examiner = HoldoutRanker(data, "validation"), HoldoutRanker(data, "test")
    for name, (fitted, sizes) in METHODS.items():
        rows = []
        for half_life in HALF_LIVES if name != "iALS" or can_ials() else ():
            recency = RecencyConfig(half_life=half_life, floor=FLOOR)
            found = {size: means(judge, fitted(data, recency, size)) for size in sizes}
            best = max(sizes, key=lambda size: found[size][NDCG])
            test = means(examiner, fitted(data.refitted(), recency, best))
            rows.append(row_of(log, name, half_life, best, found[best], test))
        yield rows
    if log != "ML-1M":
        yield [gmf(log, data, half_life, judge, examiner) for half_life in HALF_LIVES]


def gmf(
    log: str, data: PreparedData, half_life: float | None, judge: HoldoutRanker, examiner: HoldoutRanker
) -> dict[str, Any]:
    """The row of GMF over all pairs, for the better one of two weights of what is not observed."""
    tried = []
    for weight in (0.4, 1.6):
        config = TrainingConfig(
            loss="least-squares",
            negatives="all",
            unobserved_weight=weight,
            embedding_l2=0.005,
            learning_rate=0.01,
            schedule="linear",
            batch_size=32768,
            max_epochs=EPOCHS,
            patience=EPOCHS,
            recency=RecencyConfig(half_life=half_life, floor=FLOOR),
        )
        training = fit(new_gmf(data), data, config, seed=SEED, title=f"{log}, half-life {half_life}, {weight}")
        tried.append((means(judge, training.model), weight, config, training.best_epoch))
    found, weight, config, epochs = max(tried, key=lambda each: each[0][NDCG])
    whole = data.refitted()
    test = means(examiner, fit(new_gmf(whole), whole, config, seed=SEED, epochs=epochs).model)
    return row_of(log, "GMF", half_life, weight, found, test)


def new_gmf(data: PreparedData) -> Any:
    """Untrained."""
    return build_model(GMFConfig(embedding_dim=FACTORS, head="ones"), data.num_users, data.num_items, SEED)


def means(ranker: HoldoutRanker, scorer: Scorer) -> dict[str, float]:
    """HR@10 and NDCG@10 of full ranking."""
    values = ranker.rank_all(scorer).values()
    return {key: float(values[key].mean()) for key in (HR, NDCG)}


def row_of(
    log: str, method: str, half_life: float | None, setting: float, validation: dict[str, float], test: dict[str, float]
) -> dict[str, Any]:
    """One result."""
    return {
        "log": log,
        "method": method,
        "half_life": half_life,
        "setting": setting,
        "validation": validation,
        "test": test,
    }


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """A table for each log: validation NDCG@10 by half-life, and the test without recency and with the best."""
    lines = [
        f"Validation NDCG@10 of full ranking by half-life, the weights falling to {FLOOR:g}; then test HR@10 / NDCG@10 "
        "after training on train and validation, without recency and with the half-life that is best on validation. "
        "Written by `python -m benchmarks.recency`.",
        "",
        "| log | method | off | "
        + " | ".join(f"{each:g}" for each in HALF_LIVES if each)
        + " | test, off | test, best |",
        "| --- | --- | " + " | ".join(["---:"] * (len(HALF_LIVES) + 2)) + " |",
    ]
    for log, method in dict.fromkeys((row["log"], row["method"]) for row in rows):
        own = [row for row in rows if (row["log"], row["method"]) == (log, method)]
        best = max(own, key=lambda row: row["validation"][NDCG])
        validation = " | ".join(f"{row['validation'][NDCG]:.4f}" for row in own)
        tests = " | ".join(f"{row['test'][HR]:.4f} / {row['test'][NDCG]:.4f}" for row in (own[0], best))
        lines.append(f"| {log} | {method} | {validation} | {tests} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
