"""Flow: the champion's recommendations for many users, into a file or a table. `python -m flows.recommend --help`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from prefect import flow
from prefect.logging import get_run_logger
from pydantic import BaseModel
from rich.console import Console

from flows.cli.checks import RETRIES, check_cache
from flows.orchestration.artifacts import Progress, artifact_key
from flows.orchestration.tasks import is_mlflow_outage, is_transient, task
from flows.prepare.flow import database_url
from flows.recommend.settings import RecommendSettings
from flows.registry.models import RegisteredModel, load_champion, no_champion
from flows.registry.newest_log import load_log, published_log
from flows.tracking.store import check_tracking, store_exists, tracking_uri
from flows.tracking.tracker import Tracker
from ncf.data import ITEM_ID, TITLE, USER_ID
from ncf.files import cache_dir
from ncf.hardware import torch_threads
from ncf.serving.batch.choose import choose_items, choose_users
from ncf.serving.batch.lists import Lists
from ncf.serving.batch.write import Target, target_of, write_lists
from ncf.serving.config import FileOutput, TableOutput
from ncf.serving.recommender import Recommender
from ncf.training.devices import check_hardware

SAMPLE_USERS, SAMPLE_TITLES = 3, 4


class Recommended(BaseModel):
    """Result of a batch.

    Attributes:
        place: the file or table.
        version: of the champion.
        k: recommendations per user.
        users: how many there were.
        unknown, folded_in: how many of them got popular items, and how many got a vector fitted to their items.
        rows: that were written.
    """

    place: str
    version: int
    k: int
    users: int
    unknown: int
    folded_in: int
    rows: int

    def show(self, console: Console) -> None:
        """Print one line."""
        folded_in = f"{self.folded_in:,} folded in from their items" if self.folded_in else ""
        unknown = f"{self.unknown:,} with popular items, as nothing is known of them" if self.unknown else ""
        apart = " and ".join(filter(None, (folded_in, unknown)))
        by = f"version {self.version}{f' ({apart})' if apart else ''}"
        found = f"Top {self.k} of {self.users:,} users by {by}: {self.rows:,} rows"
        console.print(f"\n{found} in {self.place}", highlight=False, markup=False, soft_wrap=True)


@flow(name="recommend", flow_run_name="recommend {settings.dataset}")
def recommend(settings: RecommendSettings = RecommendSettings()) -> Recommended:  # noqa: B008 (frozen)
    """Write the champion's recommendations for many users; after an interruption the same run continues."""
    check(settings)
    with torch_threads(settings.hardware.scoring_threads):
        return recommend_users(settings)


def check(settings: RecommendSettings, retries: int = RETRIES) -> None:
    """Check what can be known before the champion is read; an MLflow server that is away gets so many retries.

    Raises:
        ConfigError: the hardware is not there, the cache folder can't be written, or its disk is nearly full.
        DataError: the output's location is impossible.
        ModelError: there was never a model.
        TrackingError: MLflow does not answer.
    """
    check_hardware(settings.hardware)
    if isinstance(settings.destination, FileOutput):
        target_of(settings.destination)
    if not store_exists(tracking_uri()):
        raise no_champion(settings)
    check_tracking(retries)
    check_cache()


@task("recommend users", retry_if=is_transient)
def recommend_users(settings: RecommendSettings) -> Recommended:
    """Choose users and items, and compute and write the lists.

    Raises:
        ModelError: there is no champion, or it can't be read.
        DataError, ConfigError: users, filters or output are impossible; raised before any work.
    """
    target = open_target(settings)
    tracker = Tracker(settings.dataset)
    champion = load_champion(tracker, settings.model_name)
    if champion is None:
        raise no_champion(settings)
    return write_for(settings, tracker, champion, target)


def open_target(settings: RecommendSettings) -> Target:
    """Open the output; a database with the URL of its Secret block."""
    output = settings.destination
    return target_of(output, database_url(output) if isinstance(output, TableOutput) else None)


def write_for(settings: RecommendSettings, tracker: Tracker, champion: RegisteredModel, target: Target) -> Recommended:
    """Write the lists of the chosen users, from the newest log."""
    published = published_log(tracker.client, settings.model_name)
    newest = champion.bundle.log if published is None else load_log(tracker, published)
    user_ids = choose_users(newest, settings.users)
    refold = published is not None and published.refolds(champion.run_id)
    recommender = Recommender(champion.bundle, newest, memory_mb=settings.hardware.scoring_memory_mb, refold=refold)
    recommender.choice = choose_items(recommender, settings.filters)
    lists = Lists.of(recommender, user_ids, settings.top_k, settings.block_rows)
    log = get_run_logger()
    if lists.k < settings.top_k:
        log.info("top_k is %d, but there are only %d items to recommend", settings.top_k, lists.k)

    @contextmanager
    def progress(total: int, before: int) -> Iterator[Callable[[int], None]]:
        key = artifact_key(settings.dataset, "recommendations")
        with Progress(key, "recommend", total, before, "users", terminal="bar") as users:
            yield users.advance

    done = write_lists(lists, champion.version, target, cache_dir() / "recommendations", progress)
    log.info("top-%d of %s users in %s", lists.k, f"{done['users']:,}", target)
    return Recommended(place=str(target), version=champion.version, k=lists.k, **done)


@task("write recommendations", retry_if=is_mlflow_outage)
def write_recommendations(tracker: Tracker, settings: RecommendSettings) -> Path | None:
    """Write the champion's best items of the newest log's users, as the end of a retraining.

    Returns:
        The file, or None while there is no champion.
    """
    champion = load_champion(tracker, settings.model_name)
    if champion is None:
        return None
    return Path(write_for(settings, tracker, champion, open_target(settings)).place)


def sample(path: Path) -> list[str]:
    """The lists of three users as text, one line each."""
    frame = pd.read_csv(path, nrows=SAMPLE_USERS * 1000, dtype=str, keep_default_na=False)  # ids as they are: 007, NA
    users = frame[USER_ID].drop_duplicates().iloc[:SAMPLE_USERS]
    lines = []
    for user in users:
        rows = frame[frame[USER_ID] == user].iloc[:SAMPLE_TITLES]
        named = rows[TITLE].where(rows[TITLE] != "", rows[ITEM_ID])
        lines.append(f"user {user}: {'; '.join(named)}; ...")
    return lines
