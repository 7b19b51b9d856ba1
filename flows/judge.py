"""What the decision on a promotion looks at, measured of one model."""

import time
from pathlib import Path

import numpy as np

from ncf.data.prepared import PreparedData
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.lists import top_lists
from ncf.evaluation.promotion import Judged
from ncf.evaluation.promotion_config import GuardConfig
from ncf.evaluation.ranking import CUTOFF, HoldoutRanker, Scorer
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender

HIT_METRIC = "full/hr_at_10"
USERS_TIMED = 1000


def judge(scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, guards: GuardConfig) -> Judged:
    """Rank the holdout, and look at the lists if a guard wants it."""
    values = ranker.rank_all(scorer).values()
    wanted = guards.minimum_coverage is not None
    coverage = top_lists(scorer, ranker, data, CUTOFF).coverage(CUTOFF) if wanted else None
    return Judged(values[PROMOTION_METRIC], values[HIT_METRIC], coverage)


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
