"""Measure every model and baseline on both holdouts, and store the figures in its MLflow run."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from prefect.logging import get_run_logger

from flows.charts.chart import TextTable
from flows.orchestration.tasks import is_mlflow_outage, task
from flows.retrain.settings import RetrainSettings
from flows.tracking import BEST_EPOCH, BEST_VALIDATION, COLUMNS, EPOCHS, SECONDS
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import flatten
from ncf.data import ITEM_ID, USER_ID
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import EASE, GET_IMPLICIT, IALS, ItemKNN, Popularity, can_ials
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.evaluate import evaluate, group_table
from ncf.evaluation.metrics import Values
from ncf.evaluation.ranking import HoldoutRanker, Ranks, Scorer
from ncf.hardware import HardwareConfig

GROUPS, USERS = "groups.csv", "users.csv"
FULL_RANK, SAMPLED_RANK = "full_rank", "sampled_rank"
POPULARITY, ITEM_KNN, EASE_NAME, IALS_NAME = "popularity", "item-knn", "ease", "ials"
DESCRIPTIONS = {
    POPULARITY: "Every user gets the items with the most train interactions: any model has to be better than this.",
    ITEM_KNN: "An item's score is the sum of its similarities to the items that the user has in train.",
    EASE_NAME: "A learned weight from each item to each other, in closed form (Steck, 2019).",
    IALS_NAME: "Matrix factorization by alternating least squares over all unobserved pairs (Hu et al., 2008).",
    "gmf": "Generalized Matrix Factorization: a weighted product of a user's and an item's embedding (He et al., 2017, "
    "eq. 8-9).",
    "mlp": "A multi-layer perceptron over a user's and an item's embedding (He et al., 2017, eq. 10).",
    "neumf": "NeuMF: GMF and MLP side by side under one output layer (He et al., 2017, eq. 12), trained from scratch.",
    "neumf-pretrained": "NeuMF that starts from the weights of the trained GMF and MLP (He et al., 2017, eq. 13).",
}


def measure(
    tracker: Tracker, run_id: str, scorer: Scorer, data: PreparedData, hardware: HardwareConfig
) -> dict[str, float]:
    """Measure a model on both holdouts; its test means by group and its ranks by user become files of the run.

    Returns:
        Every metric of the test holdout under "test/", and those of the validation holdout under "best_validation/":
        "validation/" is the series by epoch.
    """
    memory_mb = hardware.scoring_memory_mb
    means = HoldoutRanker(data, "validation", memory_mb=memory_mb).rank_all(scorer).summary()
    validation = {name: value for key, mean in means.items() for name, value in mean.figures(key).items()}
    test = evaluate(scorer, data, "test", memory_mb=memory_mb)
    tracker.files.log_table(run_id, group_table(test.per_user, data, "test"), GROUPS)
    tracker.files.log_table(run_id, _rank_table(test.ranks, data), USERS)
    return {
        **{f"{BEST_VALIDATION}/{key}": value for key, value in validation.items()},
        **{f"test/{key}": value for key, value in test.figures().items()},
    }


def promotion_values(tracker: Tracker, run: ModelRun) -> Values:
    """The promotion metric of each test user, from the stored ranks."""
    return read_ranks(tracker, run).values()[PROMOTION_METRIC]


def read_ranks(tracker: Tracker, run: ModelRun) -> Ranks:
    """The ranks of a finished model's test users, from the files of its run."""
    users = tracker.files.read_table(run.run_id, USERS)
    return Ranks(users[FULL_RANK].to_numpy(), users[SAMPLED_RANK].to_numpy())


def finish_model(tracker: Tracker, run_id: str, name: str, metrics: dict[str, float], data: PreparedData) -> ModelRun:
    """Log the metrics and the description of a run, and mark it as complete: it is never computed again."""
    tracker.log_metrics(run_id, metrics)
    tracker.set_notes(run_id, model_notes(name, metrics, data))
    tracker.finish(run_id)
    return ModelRun(name, run_id, metrics)


def model_notes(name: str, metrics: Mapping[str, float], data: PreparedData) -> str:
    """What a model or baseline is, its training data, and its figures on the test holdout, as markdown.

    Args:
        name: as in the table of a retraining.
        metrics: under their keys, such as "test/full/ndcg_at_10", with their `_ci95`.
        data: the prepared data set.
    """
    has_epochs = BEST_EPOCH in metrics
    best = f" The best epoch was {metrics[BEST_EPOCH]:.0f} of {metrics[EPOCHS]:.0f}." if has_epochs else ""
    cells = [f"{metrics[key]:.4f} ±{metrics[f'{key}_ci95']:.4f}" for key in COLUMNS.values()]
    return (
        f"{DESCRIPTIONS[name]}\n\nFitted to {len(data.train):,} train interactions of {data.num_users:,} users and "
        f"{data.num_items:,} items of {data.name} (`{data.fingerprint[:12]}`).{best}\n\n"
        f"{TextTable(list(COLUMNS), [cells]).markdown()}\n\nTest holdout; ± is half the 95 % interval over users.\n"
    )


def _rank_table(ranks: Ranks, data: PreparedData) -> pd.DataFrame:
    pairs = data.test.pairs
    return pd.DataFrame(
        {
            USER_ID: data.user_ids[pairs.users],
            ITEM_ID: data.item_ids[pairs.items],
            FULL_RANK: ranks.full,
            SAMPLED_RANK: ranks.sampled,
        }
    )


def measure_baselines(
    tracker: Tracker, parent_id: str, settings: RetrainSettings, data: PreparedData
) -> list[ModelRun]:
    """Measure the baselines that are enabled and installed, popularity first."""
    return [measure_baseline(tracker, parent_id, name, settings, data) for name in enabled_baselines(settings, data)]


def enabled_baselines(settings: RetrainSettings, data: PreparedData) -> list[str]:
    """Names of the baselines that the settings enable, that are installed, and for which there is enough memory."""
    ials, ease = settings.baselines.ials.enabled, settings.baselines.ease
    fits = data.num_items <= ease.max_items
    if ease.enabled and not fits:
        get_run_logger().info(
            "no baseline EASE: %s items are more than baselines.ease.max_items, %s",
            f"{data.num_items:,}",
            f"{ease.max_items:,}",
        )
    if ials and not can_ials():
        get_run_logger().info(
            "no baseline iALS: the package implicit is not installed; to add it: %s, and retrain with --force",
            GET_IMPLICIT,
        )
    enabled = {
        POPULARITY: True,
        ITEM_KNN: settings.baselines.item_knn.enabled,
        EASE_NAME: ease.enabled and fits,
        IALS_NAME: ials and can_ials(),
    }
    return [name for name, is_enabled in enabled.items() if is_enabled]


@task("measure baseline", "measure {name} on {settings.dataset}", retry_if=is_mlflow_outage)
def measure_baseline(
    tracker: Tracker, parent_id: str, name: str, settings: RetrainSettings, data: PreparedData
) -> ModelRun:
    """Fit one baseline and measure it as every model is."""
    done = tracker.find_model(parent_id, name)
    if done is not None:
        return done
    tracker.resume_model(parent_id, name, lambda _: False)  # an interrupted measurement starts again
    fit, config, epochs = _recipe(name, settings)
    shared = settings.model_dump(mode="json", include={"dataset", "data"})
    run_id = tracker.start_model(parent_id, name, flatten(shared | {"model": {"kind": name} | config}), data)
    started = time.perf_counter()
    scorer = fit(data)
    seconds = time.perf_counter() - started
    metrics = measure(tracker, run_id, scorer, data, settings.hardware) | {EPOCHS: float(epochs), SECONDS: seconds}
    return finish_model(tracker, run_id, name, metrics, data)


def _recipe(name: str, settings: RetrainSettings) -> tuple[Callable[[PreparedData], Scorer], dict[str, Any], int]:
    """How to fit a baseline, its settings for MLflow, and its number of passes over the data."""
    baselines = settings.baselines
    recency = baselines.recency
    told = {"recency": recency.model_dump()}
    match name:
        case "item-knn":
            config = baselines.item_knn.model_dump(exclude={"enabled"})
            memory_mb = settings.hardware.scoring_memory_mb
            return lambda data: ItemKNN(data, **config, recency=recency, memory_mb=memory_mb), config | told, 0
        case "ease":
            config = baselines.ease.model_dump(include={"l2"})
            return lambda data: EASE(data, **config, recency=recency), config | told, 0
        case "ials":
            config = baselines.ials.model_dump(exclude={"enabled"}) | {"seed": settings.seed}
            return lambda data: IALS(data, **config, recency=recency), config | told, baselines.ials.iterations
        case _:
            return Popularity, {}, 0
