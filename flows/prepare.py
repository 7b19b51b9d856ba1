"""Tasks: from a data set's name to a prepared data set on disk."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.retries import is_passing
from flows.settings import RetrainSettings, content_key
from ncf.data.pipeline import prepare_ratings
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.data.report import DataReport
from ncf.data.sources.cache import cache_dir
from ncf.data.sources.load import load_ratings
from ncf.data.storage import load_prepared, save_prepared


@task(
    name="load ratings",
    task_run_name="load ratings",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=is_passing,
    cache_policy=NO_CACHE,
)
def load(settings: RetrainSettings) -> Ratings:
    """Fetch the data set, from the cache if it is there, and check it."""
    ratings = load_ratings(settings.log_source)
    get_run_logger().info("%s: %s ratings, checked", settings.dataset, f"{len(ratings.frame):,}")
    return ratings


@task(name="prepare data", task_run_name="prepare data", cache_policy=NO_CACHE)
def prepare_data(settings: RetrainSettings, ratings: Ratings) -> tuple[PreparedData, DataReport]:
    """Filter, split, draw the candidates, and store the prepared data set."""
    data, report = prepare_ratings(settings.dataset, ratings, settings.data)
    for what, value in report.rows():
        get_run_logger().info("%s: %s", what, value)
    folder = prepared_folder(settings)
    save_prepared(data, folder)
    get_run_logger().info("prepared data set %s in %s", data.fingerprint[:12], folder)
    return load_prepared(folder), report


def prepared_folder(settings: RetrainSettings) -> Path:
    """Where the prepared data of these settings lie, in the cache."""
    key = content_key(settings.data.model_dump(mode="json"), settings.log_source.model_dump(mode="json"))
    return cache_dir() / "prepared" / f"{settings.dataset}-{key}"
