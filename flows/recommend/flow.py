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
from flows.tracking.store import check_tracking, store_exists, tracking_uri
from flows.tracking.tracker import Tracker
from ncf.data.columns import ITEM_ID, TITLE, USER_ID, Ids
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
        users, unknown: how many there were, and how many of them the champion does not know.
        rows: that were written.
    """

    place: str
    version: int
    k: int
    users: int
    unknown: int
    rows: int

    def show(self, console: Console) -> None:
        """Print one line."""
        unknown = f", of whom {self.unknown:,} are unknown to it and got popular items" if self.unknown else ""
        found = f"Top {self.k} of {self.users:,} users by version {self.version}{unknown}: {self.rows:,} rows"
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
    champion = load_champion(Tracker(settings.dataset), settings.model_name)
    if champion is None:
        raise no_champion(settings)
    return write_for(settings, champion, choose_users(champion.bundle, settings.users), target)


def open_target(settings: RecommendSettings) -> Target:
    """Open the output; a database with the URL of its Secret block."""
    output = settings.destination
    return target_of(output, database_url(output) if isinstance(output, TableOutput) else None)


def write_for(settings: RecommendSettings, champion: RegisteredModel, user_ids: Ids, target: Target) -> Recommended:
    """Write the lists of these users."""
    memory_mb = settings.hardware.scoring_memory_mb
    choice = choose_items(Recommender(champion.bundle, memory_mb=memory_mb), settings.filters)
    recommender = Recommender(champion.bundle, memory_mb=memory_mb, choice=choice)
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
def write_recommendations(tracker: Tracker, settings: RecommendSettings, user_ids: Ids) -> Path | None:
    """Write the champion's best items of these users, as the end of a retraining.

    Returns:
        The file, or None while there is no champion.
    """
    champion = load_champion(tracker, settings.model_name)
    if champion is None:
        return None
    return Path(write_for(settings, champion, user_ids, open_target(settings)).place)


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
