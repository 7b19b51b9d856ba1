"""One window, every policy: what the model that served then had among its first ten, user by user."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch

from ncf.backtest.replay import Week
from ncf.data.ratings import USER_ID
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.metrics import Values
from ncf.evaluation.ranking import CUTOFF, SCORING_MEMORY_MB, Scorer
from ncf.evaluation.several import hits_of_users, ndcg_of_users, rank_several
from ncf.serving.bundle import Bundle
from ncf.serving.served_scorer import ServedScorer

POPULARITY = "popularity"
HR, NDCG, KNOWN = "hr_at_10", "ndcg_at_10", "known"
MET = "interactions"


def column(who: str, metric: str) -> str:
    """The column of a policy's, or the baseline's, values."""
    return f"{who}/{metric}"


def judge(
    week: Week, serving: Mapping[str, int], bundles: Mapping[int, Bundle], memory_mb: int = SCORING_MEMORY_MB
) -> pd.DataFrame:
    """Judge all policies on the same users; a model that several of them share is asked once.

    Whoever a model does not know is answered by its popularity, and items it does not know come last, as it would
    serve them. What a user has met before the window competes under no policy.

    Args:
        week: what was known, and what came.
        serving: the moment whose model serves, by the policy's name.
        bundles: the models, by moment.
        memory_mb: MB that the scores of one block of users may take.

    Returns:
        One row a user of the window: user_id, interactions (met in it), and for popularity, counted over all that was
        known, and each policy hr_at_10 (1.0 if any of them is among the first ten), ndcg_at_10, and known (1.0 if the
        model has learned of the user) under `column(...)`. No row if nothing was met.
    """
    users, counts = np.unique(week.met.users, return_counts=True)
    values = {POPULARITY: _values(Popularity(week.data), week, memory_mb) | {KNOWN: np.ones(len(users))}}
    for moment in sorted(set(serving.values())):
        scorer = ServedScorer(bundles[moment], week.data)
        known = (scorer.users[torch.as_tensor(users)] >= 0).numpy().astype(np.float64)
        shared = _values(scorer, week, memory_mb) | {KNOWN: known}
        values |= {name: shared for name, its in serving.items() if its == moment}
    figures = {
        column(who, metric): values[who][metric] for who in (POPULARITY, *serving) for metric in (HR, NDCG, KNOWN)
    }
    return pd.DataFrame({USER_ID: week.data.user_ids[users], MET: counts, **figures})


def metric_columns(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Who and what each column of values is about."""
    for name in frame.columns:
        who, slash, metric = str(name).rpartition("/")
        if slash:
            yield who, metric


def _values(scorer: Scorer, week: Week, memory_mb: int) -> dict[str, Values]:
    ranks = rank_several(scorer, week.data, week.met, memory_mb=memory_mb)
    users = week.met.users
    return {HR: hits_of_users(ranks, users, CUTOFF), NDCG: ndcg_of_users(ranks, users, CUTOFF)}
