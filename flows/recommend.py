"""Task: the champion's recommendations for every user, as a file."""

from pathlib import Path

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows import registry
from flows.settings import RetrainSettings
from flows.tracking import Tracker
from ncf.data.prepared import PreparedData
from ncf.data.ratings import ITEM_ID, TITLE, USER_ID
from ncf.files import new_file
from ncf.serving.recommender import RANK, SCORE, SOURCE, Recommender

SAMPLE_USERS, SAMPLE_TITLES = 3, 4


@task(name="write recommendations", task_run_name="write recommendations", cache_policy=NO_CACHE)
def write_recommendations(tracker: Tracker, settings: RetrainSettings, data: PreparedData) -> Path | None:
    """Write the champion's best items of every user, with titles; a reader sees the old file or the new one.

    Returns:
        The file, or None while there is no champion.
    """
    champion = registry.champion(tracker, settings.model_name)
    if champion is None:
        return None
    k = min(settings.top_k, len(champion.bundle.item_ids))
    recommender = Recommender(champion.bundle, memory_mb=settings.hardware.scoring_memory_mb)
    frame = recommender.recommend(list(data.user_ids), k)
    titles = pd.Series(champion.bundle.titles, index=pd.Index(champion.bundle.item_ids))
    frame = frame.assign(title=frame[ITEM_ID].map(titles), model_version=champion.version)
    path = Path.cwd() / "recommendations" / f"{settings.dataset}.csv"
    with new_file(path) as new:
        columns = [USER_ID, RANK, ITEM_ID, TITLE, SCORE, SOURCE, "model_version"]
        frame[columns].to_csv(new, index=False, float_format="%.5f")
    get_run_logger().info("top-%d of %s users in %s", k, f"{data.num_users:,}", path)
    return path


def sample(path: Path) -> list[str]:
    """The lists of three users in words, one line each."""
    frame = pd.read_csv(path)
    users = frame[USER_ID].drop_duplicates().iloc[:SAMPLE_USERS]
    lines = []
    for user in users:
        rows = frame[frame[USER_ID] == user].iloc[:SAMPLE_TITLES]
        named = rows[TITLE].fillna(rows[ITEM_ID].astype(str))
        lines.append(f"user {user}: {'; '.join(named)}; ...")
    return lines
