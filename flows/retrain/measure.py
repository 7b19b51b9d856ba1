"""What is measured of every model and baseline, and how it is kept in its MLflow run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect.logging import get_run_logger

from flows.orchestration.tasks import is_mlflow_outage, task
from flows.retrain.settings import RetrainSettings
from flows.tracking.keys import BEST_VALIDATION, EPOCHS, SECONDS
from flows.tracking.notes import model_notes
from flows.tracking.tracking import ModelRun, Tracker
from ncf.content import flatten
from ncf.data.columns import ITEM_ID, USER_ID
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import GET_IMPLICIT, IALS, ItemKNN, Popularity, can_ials
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.evaluate import Evaluation, evaluate, group_table, top_lists
from ncf.evaluation.metrics import Values
from ncf.evaluation.promotion import CandidateMetrics, GuardConfig
from ncf.evaluation.ranking import CUTOFF, HoldoutRanker, Ranks, Scorer
from ncf.hardware import HardwareConfig
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender

GROUPS, USERS = "groups.csv", "users.csv"
FULL_RANK, SAMPLED_RANK = "full_rank", "sampled_rank"


def measure(
    tracker: Tracker, run_id: str, scorer: Scorer, data: PreparedData, hardware: HardwareConfig
) -> dict[str, float]:
    """Every metric on the test holdout; its means by group and ranks by user become files of the run.

    Of the validation what chooses epochs and models, under a prefix of its own: "validation/" is the series by epoch.
    """
    memory_mb = hardware.scoring_memory_mb
    validation = HoldoutRanker(data, "validation", memory_mb=memory_mb).rank_all(scorer).summary()
    chosen_by = {name: value for key, mean in validation.items() for name, value in mean.figures(key).items()}
    test = evaluate(scorer, data, "test", memory_mb=memory_mb)
    tracker.artifacts.log_table(run_id, group_table(test.per_user, data, "test"), GROUPS)
    tracker.artifacts.log_table(run_id, _users(test, data), USERS)
    parts = {BEST_VALIDATION: chosen_by, "test": test.figures()}
    return {f"{part}/{key}": value for part, figures in parts.items() for key, value in figures.items()}


def promotion_values(tracker: Tracker, run: ModelRun) -> Values:
    """The promotion metric of each test user, from the ranks that were kept."""
    return kept_ranks(tracker, run).values()[PROMOTION_METRIC]


def kept_ranks(tracker: Tracker, run: ModelRun) -> Ranks:
    """The ranks of a finished model's test users, as its run keeps them."""
    users = tracker.artifacts.read_table(run.run_id, USERS)
    return Ranks(users[FULL_RANK].to_numpy(), users[SAMPLED_RANK].to_numpy())


def finish(tracker: Tracker, run_id: str, name: str, metrics: dict[str, float], data: PreparedData) -> ModelRun:
    """Log the metrics, describe the run, and mark it as complete: from now on it is not done again."""
    tracker.log_metrics(run_id, metrics)
    tracker.set_notes(run_id, model_notes(name, metrics, data))
    tracker.finish(run_id)
    return ModelRun(name, run_id, metrics)


def _users(measured: Evaluation, data: PreparedData) -> pd.DataFrame:
    pairs = data.test.pairs
    return pd.DataFrame(
        {
            USER_ID: data.user_ids[pairs.users],
            ITEM_ID: data.item_ids[pairs.items],
            FULL_RANK: measured.ranks.full,
            SAMPLED_RANK: measured.ranks.sampled,
        }
    )


HIT_METRIC = "full/hr_at_10"
USERS_TIMED = 1000


def judge(scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, guards: GuardConfig) -> CandidateMetrics:
    """Rank the holdout, and look at the lists if a guard wants it."""
    values = ranker.rank_all(scorer).values()
    wanted = guards.minimum_coverage is not None
    coverage = top_lists(scorer, ranker, data, CUTOFF).coverage(CUTOFF) if wanted else None
    return CandidateMetrics(values[PROMOTION_METRIC], values[HIT_METRIC], coverage)


def seconds_to_recommend(bundle: Bundle, memory_mb: int) -> float:
    """Seconds for the top 10 of 1,000 users, in turn if there are fewer."""
    recommender = Recommender(bundle, memory_mb=memory_mb)
    users = np.resize(np.asarray(bundle.user_ids), USERS_TIMED).tolist()
    started = time.perf_counter()
    recommender.recommend(users, min(CUTOFF, len(bundle.item_ids)))
    return time.perf_counter() - started


def size_mb(folder: Path) -> float:
    """MB of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


POPULARITY, ITEM_KNN, IALS_NAME = "popularity", "item-knn", "ials"


def measure_baselines(
    tracker: Tracker, parent_id: str, settings: RetrainSettings, data: PreparedData
) -> list[ModelRun]:
    """The first rows of every table, popularity first; those that are switched off or not installed are left out."""
    return [measure_baseline(tracker, parent_id, name, settings, data) for name in chosen_baselines(settings)]


def chosen_baselines(settings: RetrainSettings) -> list[str]:
    """Names of the baselines that these settings, and what is installed, allow."""
    ials = settings.baselines.ials.enabled
    if ials and not can_ials():
        get_run_logger().info(
            "no iALS baseline, since the package implicit is not installed; to have it: %s, and retrain with --force",
            GET_IMPLICIT,
        )
    chosen = {POPULARITY: True, ITEM_KNN: settings.baselines.item_knn.enabled, IALS_NAME: ials and can_ials()}
    return [name for name, wanted in chosen.items() if wanted]


@task("measure baseline", "measure {name} on {settings.dataset}", retry_if=is_mlflow_outage)
def measure_baseline(
    tracker: Tracker, parent_id: str, name: str, settings: RetrainSettings, data: PreparedData
) -> ModelRun:
    """Fit one baseline and measure it as every model is."""
    done = tracker.find_model(parent_id, name)
    if done is not None:
        return done
    tracker.resume_model(parent_id, name, lambda _: False)  # half a measurement is forgotten
    fit, about, epochs = _recipe(name, settings)
    shared = settings.model_dump(mode="json", include={"dataset", "data"})
    run_id = tracker.start_model(parent_id, name, flatten(shared | {"model": {"kind": name} | about}), data)
    started = time.perf_counter()
    scorer = fit(data)
    seconds = time.perf_counter() - started
    metrics = measure(tracker, run_id, scorer, data, settings.hardware) | {EPOCHS: float(epochs), SECONDS: seconds}
    return finish(tracker, run_id, name, metrics, data)


def _recipe(name: str, settings: RetrainSettings) -> tuple[Callable[[PreparedData], Scorer], dict[str, Any], int]:
    """How to fit a baseline, its settings for MLflow, and the passes over the data that it makes."""
    knn, ials = settings.baselines.item_knn, settings.baselines.ials
    match name:
        case "item-knn":
            about = knn.model_dump(exclude={"enabled"})
            memory_mb = settings.hardware.scoring_memory_mb
            return lambda data: ItemKNN(data, **about, memory_mb=memory_mb), about, 0
        case "ials":
            about = ials.model_dump(exclude={"enabled"}) | {"seed": settings.seed}
            return lambda data: IALS(data, **about), about, ials.iterations
        case _:
            return Popularity, {}, 0
