"""One window, every policy: what the model that served then had among its first ten, user by user."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from ncf.backtest.replay import Week
from ncf.data.columns import USER_ID, Ids
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.metrics import Z_95, Mean, Values
from ncf.evaluation.multi_item_ranking import hits_of_users, ndcg_of_users, rank_several
from ncf.evaluation.ranking import CUTOFF, SCORING_MEMORY_MB, Scorer
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import ServedScorer

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


def mean_over_windows(values: Sequence[Values], users: Sequence[Ids]) -> Mean:
    """Mean of the windows' means, each window counting the same, and its 95 % interval for the users it might have had.

    A user may be in several windows, and is then one unit: the standard error is that of the sum of each user's
    contributions (the cluster-robust one). With a single window it is the one of the mean over its users. A single
    user gives an infinite interval.

    Args:
        values: float64[U_w] of each window, none of them empty.
        users: the ids of the same users.
    """
    means = [float(part.mean()) for part in values]
    parts = [(part - mean) / (len(part) * len(values)) for part, mean in zip(values, means, strict=True)]
    codes, unique = pd.factorize(np.concatenate(list(users)))
    mean, number = float(np.mean(means)), len(unique)
    if number < 2:
        return Mean(mean, -math.inf, math.inf)
    of_users = np.bincount(codes, weights=np.concatenate(parts))
    error = math.sqrt(float(of_users @ of_users) * number / (number - 1))
    return Mean(mean, mean - Z_95 * error, mean + Z_95 * error)


def mean_of(windows: Sequence[pd.DataFrame], who: str, metric: str) -> Mean:
    """One policy's figure over all windows, the tables of `judge`."""
    return mean_over_windows([frame[column(who, metric)].to_numpy() for frame in windows], _users(windows))


def difference_of(windows: Sequence[pd.DataFrame], ours: str, theirs: str, metric: str) -> Mean:
    """How much more one policy has than another, paired over the users of every window."""
    values = [(frame[column(ours, metric)] - frame[column(theirs, metric)]).to_numpy() for frame in windows]
    return mean_over_windows(values, _users(windows))


def _users(windows: Sequence[pd.DataFrame]) -> list[Ids]:
    return [frame[USER_ID].to_numpy() for frame in windows]
