"""Evaluate a model: metrics per user, coverage and novelty of its lists, and means by groups of users."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ncf.data import Indices
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.comparison import paired_difference
from ncf.evaluation.metrics import CUTOFFS, Values, mean_with_interval
from ncf.evaluation.ranking import SCORING_MEMORY_MB, HoldoutRanker, Ranks, Scorer, SplitName, top_items

QUARTERS = 4
USER_ACTIVITY, ITEM_POPULARITY = "user_activity", "item_popularity"


@dataclass(frozen=True)
class TopLists:
    """The top lists of all evaluated users.

    Attributes:
        items: int64[U, length], best first; -1 pads the lists of users with fewer items left.
        item_counts: int64[num_items], train interactions of each item.
    """

    items: Indices
    item_counts: Indices

    def coverage(self, k: int) -> float:
        """Share of the catalogue that is in at least one user's first k."""
        items = self._first(k)
        return len(np.unique(items[items >= 0])) / len(self.item_counts)

    def novelty(self, k: int) -> Values:
        """Mean self-information in bits, -log2(share of all train interactions), of the first k, per user.

        An item that nobody has in train counts as if one user had it.
        """
        items = self._first(k)
        present = items >= 0
        bits = -np.log2(np.maximum(self.item_counts, 1) / self.item_counts.sum())
        novelty: Values = np.where(present, bits[items], 0.0).sum(axis=1) / present.sum(axis=1)
        return novelty

    def _first(self, k: int) -> Indices:
        length = self.items.shape[1]
        if k > length and length < len(self.item_counts):
            raise ConfigError(
                "k is longer than the lists", got=k, allowed=f"1 to {length}", do="make longer lists: top_lists(..., k)"
            )
        return self.items[:, :k]


@dataclass(frozen=True)
class Evaluation:
    """Metrics under their keys, such as "full/ndcg_at_10".

    Attributes:
        per_user: one value for each evaluated user, in the holdout's order: for intervals, paired tests and groups.
        overall: metrics without a value per user: the coverage of all lists together.
        ranks: the ranks from which the metrics per user were computed.
    """

    per_user: dict[str, Values]
    overall: dict[str, float]
    ranks: Ranks

    def figures(self) -> dict[str, float]:
        """Means, each with `_ci95`, half the width of its 95 % interval; then the metrics without an interval."""
        figures: dict[str, float] = {}
        for key, values in self.per_user.items():
            figures |= mean_with_interval(values).figures(key)
        return figures | self.overall


def evaluate(
    scorer: Scorer,
    data: PreparedData,
    split: SplitName = "test",
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    device: torch.device | str = "cpu",
    memory_mb: int = SCORING_MEMORY_MB,
) -> Evaluation:
    """Rank the held-out items by both protocols, and compute the metrics of `docs/metrics.md`.

    Args:
        scorer: a trained model, a baseline, or anything else with `score_all`.
        data: the prepared data set.
        split: the holdout, "validation" or "test".
        cutoffs: lengths of list, the K of HR@K.
        device: where the scorer's tensors are.
        memory_mb: memory for the scores of one block of users, in MB.
    """
    ranker = HoldoutRanker(data, split, device, memory_mb=memory_mb)
    ranks, lists = _ranks_and_lists(scorer, ranker, data, max(cutoffs))
    novelty = {f"full/novelty_at_{k}": lists.novelty(k) for k in cutoffs}
    coverage = {f"full/coverage_at_{k}": lists.coverage(k) for k in cutoffs}
    return Evaluation(ranks.every(cutoffs) | novelty, coverage, ranks)


def _ranks_and_lists(scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, k: int) -> tuple[Ranks, TopLists]:
    """Both from the same scores: computing these costs more than everything else."""
    blocks = []
    with torch.inference_mode():
        for rows in ranker:
            scores = scorer.score_all(ranker.users[rows])
            blocks.append((*ranker.rank_scored(scores, rows), top_items(scores, k)))
    full, sampled, items = (torch.cat(column).cpu().numpy() for column in zip(*blocks, strict=True))
    return Ranks(full, sampled), TopLists(items, data.item_counts)


def top_lists(scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, k: int = max(CUTOFFS)) -> TopLists:
    """The first k items for each evaluated user, of all that compete in the full ranking."""
    blocks = []
    with torch.inference_mode():
        for rows in ranker:
            scores = scorer.score_all(ranker.users[rows])
            scores[ranker.excluded.of_users(ranker.users[rows])] = -torch.inf
            blocks.append(top_items(scores, k))
    return TopLists(torch.cat(blocks).cpu().numpy(), data.item_counts)


def quantile_groups(counts: Indices, groups: int = QUARTERS) -> Indices:
    """Group of each value, from 0 upward: as many values in each as ties allow, since equal values stay together.

    Args:
        counts: int64[U].
        groups: at most so many; with many equal values there are fewer.

    Returns:
        int64[U]; none of the groups is empty.
    """
    edges = np.unique(np.quantile(counts, np.arange(1, groups) / groups, method="inverted_cdf"))
    positions = np.searchsorted(edges, counts)  # up to and including an edge is below it
    return np.unique(positions, return_inverse=True)[1].astype(np.int64)


def group_table(per_user: Mapping[str, Values], data: PreparedData, split: SplitName) -> pd.DataFrame:
    """Means by the user's activity, and by the held-out item's popularity, both counted in train interactions.

    Args:
        per_user: values of the evaluated users, in the holdout's order, under their metric keys.
        data: the prepared data set.
        split: the holdout that was evaluated.

    Returns:
        One row a group, the lowest first: grouped_by ("user_activity" or "item_popularity"), group (from 1),
        from, to (interactions, inclusive), users, and for each key its mean and `_ci95`, half the interval's width.
    """
    rows = []
    for row, members in _groups(data, split):
        for key, values in per_user.items():
            row |= mean_with_interval(values[members]).figures(key)
        rows.append(row)
    return pd.DataFrame(rows)


def difference_table(
    per_model: Mapping[str, Values], reference: Values, data: PreparedData, split: SplitName
) -> pd.DataFrame:
    """How much better each model is than a reference, by the groups of `group_table`, paired over their users.

    Args:
        per_model: one metric's values of the evaluated users, in the holdout's order, by the model's name.
        reference: the same of what they are compared with.
        data: the prepared data set.
        split: the holdout that was evaluated.

    Returns:
        One row a group and model: model, grouped_by, group, from, to, users, difference, and low and high, its 95 %
        interval (infinite for a group of one user).
    """
    rows = []
    for row, members in _groups(data, split):
        for name, values in per_model.items():
            mean = paired_difference(values[members], reference[members])
            rows.append({"model": name, **row, "difference": mean.value, "low": mean.low, "high": mean.high})
    return pd.DataFrame(rows)


def _groups(data: PreparedData, split: SplitName) -> Iterator[tuple[dict[str, object], NDArray[np.bool_]]]:
    """Each group's columns, and which of the holdout's users are in it."""
    pairs = (data.validation if split == "validation" else data.test).pairs
    activity = data.user_counts[pairs.users]
    for name, counts in ((USER_ACTIVITY, activity), (ITEM_POPULARITY, data.item_counts[pairs.items])):
        groups = quantile_groups(counts)
        for number in range(int(groups.max()) + 1):
            inside = counts[groups == number]
            row: dict[str, object] = {"grouped_by": name, "group": number + 1}
            row |= {"from": int(inside.min()), "to": int(inside.max()), "users": len(inside)}
            yield row, groups == number
