"""Metrics of ranks: pure functions with one value per user, so that intervals and paired tests are possible."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from ncf.data import Indices
from ncf.errors import ModelError

Values: TypeAlias = NDArray[np.float64]

Z_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def rank_of(target: Tensor, others: Tensor) -> Tensor:
    """Rank of each target among the others, from 1. A tie counts against the target: it takes the worst rank.

    Args:
        target: float[B], score of the held-out item.
        others: float[B, C], scores of the items it competes with; -inf marks one that does not compete.

    Returns:
        int64[B], between 1 and C + 1.

    Raises:
        ModelError: a score is NaN, or a target's is -inf, so that no rank is meaningful.
    """
    if torch.isnan(target).any() or torch.isnan(others).any() or torch.isneginf(target).any():
        raise unusable_scores()
    return 1 + (others >= target[:, None]).sum(dim=1)


def unusable_scores() -> ModelError:
    """The error for scores that can't be ranked."""
    return ModelError(
        "the model gave scores that are not numbers",
        allowed="finite scores",
        do="train again with a smaller learning rate",
    )


def hit(ranks: Indices, k: int) -> Values:
    """1.0 where the held-out item is among the first k, else 0.0, per user; the mean is HR@k."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: Indices, k: int) -> Values:
    """1 / log2(rank + 1) where the held-out item is among the first k, else 0.0, per user; the mean is NDCG@k."""
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


def reciprocal_rank(ranks: Indices, k: int) -> Values:
    """1 / rank where the held-out item is among the first k, else 0.0, per user; the mean is MRR@k."""
    return np.where(ranks <= k, 1.0 / ranks, 0.0)


def recall(ranks: Indices, k: int) -> Values:
    """Share of the user's held-out items among the first k; with one held-out item, recall@k is HR@k."""
    return hit(ranks, k)


def precision(ranks: Indices, k: int) -> Values:
    """Share of the first k that is held out; with one held-out item, precision@k is HR@k / k."""
    return hit(ranks, k) / k


def average_precision(ranks: Indices, k: int) -> Values:
    """Precision at the rank of each held-out item among the first k, averaged over the user's held-out items.

    With one held-out item, where the precision is 1 / rank, MAP@k is MRR@k; it is included for readers who look for it.
    """
    return reciprocal_rank(ranks, k)


CUTOFFS = (1, 5, 10, 20)  # reported lengths of list
METRICS: Mapping[str, Callable[[Indices, int], Values]] = MappingProxyType(
    {
        "hr": hit,
        "ndcg": ndcg,
        "mrr": reciprocal_rank,
        "recall": recall,
        "precision": precision,
        "map": average_precision,
    }
)


@dataclass(frozen=True)
class Mean:
    """A mean over users and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval: the figure after the ±."""
        return (self.high - self.low) / 2

    def figures(self, key: str) -> dict[str, float]:
        """The mean under its key, and half the interval's width under the same with `_ci95`."""
        return {key: self.value, f"{key}_ci95": self.half_width}

    def __str__(self) -> str:
        return f"{self.value:.4f} ±{self.half_width:.4f}"


def mean_with_interval(values: Values) -> Mean:
    """Mean of one value per user, with an interval that holds for a dozen users as well: see `interval`."""
    return interval(values, float(values.mean()), float(values.std()) / math.sqrt(len(values)), len(values))


def interval(values: Values, mean: float, error: float, users: int) -> Mean:
    """The 95 % interval of a mean.

    A mean of values in [0, 1] of which some are 0, as every metric of ranks is, gets Wilson's (1927) score interval: of
    the share of users with a hit, scaled by what a hit is worth. With a value of 0 or 1 this is exactly Wilson's, and
    0 of 19 has 0 to 0.168. Other values get Student's t. A single user gives an infinite interval.

    Args:
        values: all values, float64[N].
        mean: their mean, weighted or not.
        error: its standard error, with the variance divided by N.
        users: number of independent users.
    """
    if users < 2:
        return Mean(mean, -math.inf, math.inf)
    least, most = float(values.min()), float(values.max())
    if least < 0 or most > 1 or 0 < least < most:
        half = float(stdtrit(users - 1, 0.975)) * error * math.sqrt(users / (users - 1))
        return Mean(mean, mean - half, mean + half)
    square = error**2 * users + mean**2
    top = most or 1.0
    worth = (users * square + top**2) / (users * mean + top)  # of a hit, with one best hit more
    share = min(1.0, mean / worth)
    middle = (share + Z_95**2 / users / 2) / (1 + Z_95**2 / users)
    half = math.sqrt(share * (1 - share) / users + (Z_95 / users / 2) ** 2) * Z_95 / (1 + Z_95**2 / users)
    return Mean(mean, worth * max(0.0, middle - half), max(mean, worth * (middle + half)))


def difference_interval(values: Values, mean: float, error: float, users: int, quantile: float = Z_95) -> Mean:
    """The interval of a mean of differences, which is not empty where all of them are 0.

    Bonett and Price (2012): as if there were two more users, one of them better and one worse by the root mean square
    of the differences that are not 0. A single user gives an infinite interval.

    Args:
        values: all differences, float64[N].
        mean: their mean, weighted or not.
        error: its standard error, with the variance divided by N.
        users: number of independent users.
        quantile: of the normal distribution, 1.96 for 95 %.
    """
    if users < 2:
        return Mean(mean, -math.inf, math.inf)
    different = values[values != 0]
    step = float(np.square(different).mean()) if len(different) else 1.0
    more = users + 2
    middle = mean * users / more
    variance = ((error**2 * users + mean**2) * users + 2 * step) / more - middle**2
    half = quantile * math.sqrt(variance / more)
    return Mean(mean, middle - half, middle + half)
