"""Tasks: fit and measure what every model is set beside. A finished baseline is not computed again."""

import time
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.keys import EPOCHS, SECONDS
from flows.measure import finish, measure
from flows.retries import RETRIES, RETRY_SECONDS, was_away
from flows.settings import RetrainSettings
from flows.tracking import ModelRun, Tracker
from ncf.content import flatten
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import GET_IMPLICIT, IALS, ItemKNN, Popularity, can_ials
from ncf.evaluation.ranking import Scorer

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


@task(
    name="measure baseline",
    task_run_name="measure {name} on {settings.dataset}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_SECONDS,
    retry_condition_fn=was_away,
    cache_policy=NO_CACHE,
)
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
