"""Tasks: from a data set's name to a prepared data set on disk."""

from pathlib import Path

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.retries import is_passing
from flows.settings import RetrainSettings, content_key
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData, prepare
from ncf.data.ratings import Ratings
from ncf.data.sources import cache_dir, load_ratings
from ncf.data.split import Split, leave_one_out
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
    ratings = load_ratings(settings.dataset)
    get_run_logger().info("%s: %s ratings, checked", settings.dataset, f"{len(ratings.frame):,}")
    return ratings


@task(name="split by time", task_run_name="split by time", cache_policy=NO_CACHE)
def split(settings: RetrainSettings, ratings: Ratings) -> Split:
    """Take every rating as an interaction and hold out each user's newest two."""
    parts = leave_one_out(to_interactions(ratings, settings.data.max_users))
    get_run_logger().info(
        "%s users, %s items: %s interactions to train on, %s to validate, %s to test",
        *(f"{len(part):,}" for part in (parts.user_ids, parts.item_ids, parts.train, parts.validation, parts.test)),
    )
    return parts


@task(name="sample candidates", task_run_name="sample candidates", cache_policy=NO_CACHE)
def sample_candidates(settings: RetrainSettings, ratings: Ratings, parts: Split) -> PreparedData:
    """Draw the unseen items that each held-out one is ranked with, and store the prepared data set."""
    titles = ratings.titles.reindex(pd.Index(parts.item_ids)).fillna("").to_numpy(dtype=object)
    options = settings.data
    data = prepare(
        settings.dataset,
        parts,
        titles,
        num_candidates=options.num_candidates,
        candidate_seed=options.candidate_seed,
    )
    folder = prepared_folder(settings)
    save_prepared(data, folder)
    get_run_logger().info("prepared data set %s in %s", data.fingerprint[:12], folder)
    return load_prepared(folder)


def prepared_folder(settings: RetrainSettings) -> Path:
    """Where the prepared data of these settings lie, in the cache."""
    return cache_dir() / "prepared" / f"{settings.dataset}-{content_key(settings.data.model_dump())}"
