"""Flow: from a log to a prepared data set, checked. `python -m flows.prepare --help`."""

import sys
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from rich.console import Console

from flows.cli import run_from_command_line
from flows.preflight import check_before_work
from flows.retries import is_passing
from flows.secrets import database_url
from flows.settings import DataSettings, content_key
from ncf.data.pipeline import prepare_ratings, prepare_source
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.data.report import DataReport
from ncf.data.sources.cache import cache_dir
from ncf.data.sources.load import load_ratings
from ncf.data.storage import load_prepared, save_prepared


@flow(name="prepare", flow_run_name="prepare {settings.dataset}")
def prepare(settings: DataSettings = DataSettings()) -> DataReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Read and check a log, and say what is in it; a retraining does the same first."""
    check_before_work(settings)
    _data, report = prepare_log(settings)
    return report


def prepare_log(settings: DataSettings) -> tuple[PreparedData, DataReport]:
    """The prepared data set, stored, and its report; Dask never has the whole log, so that there it is one task."""
    if settings.engine.kind == "dask":
        return prepare_by_dask(settings)
    return prepare_data(settings, load(settings))


@task(
    name="load ratings",
    task_run_name="load ratings",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=is_passing,
    cache_policy=NO_CACHE,
)
def load(settings: DataSettings) -> Ratings:
    """Fetch the log, from the cache if it is there, and check it."""
    ratings = load_ratings(settings.log_source, database_url=database_url(settings.log_source))
    get_run_logger().info("%s: %s ratings, checked", settings.dataset, f"{len(ratings.frame):,}")
    return ratings


@task(name="prepare data", task_run_name="prepare data", cache_policy=NO_CACHE)
def prepare_data(settings: DataSettings, ratings: Ratings) -> tuple[PreparedData, DataReport]:
    """Filter, split, draw the candidates, store the prepared data set, and report."""
    return _stored(settings, *prepare_ratings(settings.dataset, ratings, settings.data))


@task(
    name="prepare data by dask",
    task_run_name="prepare data by dask",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=is_passing,
    cache_policy=NO_CACHE,
)
def prepare_by_dask(settings: DataSettings) -> tuple[PreparedData, DataReport]:
    """The same from the log's place on, by workers."""
    source, url = settings.log_source, database_url(settings.log_source)
    prepared = prepare_source(settings.dataset, source, settings.data, settings.engine, database_url=url)
    return _stored(settings, *prepared)


def _stored(settings: DataSettings, data: PreparedData, report: DataReport) -> tuple[PreparedData, DataReport]:
    folder = prepared_folder(settings)
    save_prepared(data, folder)
    get_run_logger().info("%s, prepared (%s):\n%s", settings.dataset, data.fingerprint[:12], report.text())
    create_markdown_artifact(report.markdown(), key=f"{settings.dataset}-data", description="rows read, dropped, kept")
    return load_prepared(folder), report


def prepared_folder(settings: DataSettings) -> Path:
    """Where the prepared data of these settings lie, in the cache."""
    key = content_key(settings.data.model_dump(mode="json"), settings.log_source.model_dump(mode="json"))
    return cache_dir() / "prepared" / f"{settings.dataset}-{key}"


def show(report: DataReport, console: Console) -> None:
    """What to do next; the report itself was logged."""
    console.print(
        "\nTrain on it:             make retrain, with the same ARGS\n"
        'See every setting:       make prepare ARGS="--help"',
        highlight=False,
        markup=False,
    )


if __name__ == "__main__":
    sys.exit(run_from_command_line(prepare, DataSettings, sys.argv[1:], show))
