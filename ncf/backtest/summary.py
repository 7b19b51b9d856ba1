"""What the windows say together: means over them, and how sure a difference between two policies is."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ncf.backtest.judge import column
from ncf.data.interactions import Ids
from ncf.data.ratings import USER_ID
from ncf.evaluation.metrics import Z_95, Mean, Values


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
