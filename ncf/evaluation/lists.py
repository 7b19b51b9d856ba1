"""The top-K lists that a scorer gives, and what is read off them as a whole: catalogue coverage and novelty."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ncf.data.columns import Indices
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.metrics import CUTOFFS, Values, unusable_scores
from ncf.evaluation.ranking import HoldoutRanker, Scorer


def top_items(scores: Tensor, k: int) -> Tensor:
    """The best k items of each row, best first; equal scores in the catalogue's order, as a recommender serves them.

    Args:
        scores: float[B, num_items]; -inf marks an item that may not be taken.
        k: length of the lists, cut to the number of items.

    Returns:
        int64[B, k]; -1 pads a row that has fewer items to offer.

    Raises:
        ModelError: a score is NaN.
    """
    k = min(k, scores.shape[1])
    best = scores.topk(min(k + 1, scores.shape[1]), dim=1)  # one more, to see whether the last place is contested
    if torch.isnan(best.values[:, 0]).any():  # NaN sorts first
        raise unusable_scores()
    items, last = best.indices[:, :k], best.values[:, k - 1 : k]
    # topk takes any of the tied, in any order; which of those at -inf it takes does not matter
    contested = ((best.values[:, k:] == last) & ~last.isneginf()).any(dim=1)
    items[contested] = _first_of_tied(scores[contested], last[contested], k)
    items = items.sort(dim=1).values
    values = scores.gather(1, items)
    order = values.sort(dim=1, descending=True, stable=True).indices
    return items.masked_fill(values.isneginf(), -1).gather(1, order)


def _first_of_tied(scores: Tensor, last: Tensor, k: int) -> Tensor:
    """The best k of each row, [B, k], of those equal to the k-th value, `last` [B, 1], the first of the catalogue."""
    above, tied = scores > last, scores == last
    room = k - above.sum(dim=1, keepdim=True)
    taken = above | (tied & (tied.cumsum(dim=1) <= room))
    return taken.nonzero()[:, 1].view(len(scores), k)


@dataclass(frozen=True)
class TopLists:
    """The lists of all evaluated users.

    Attributes:
        items: int64[U, length], best first; -1 pads the lists of users with fewer items left.
        item_counts: int64[num_items], train interactions of each item.
    """

    items: Indices
    item_counts: Indices

    def coverage(self, k: int) -> float:
        """Share of the catalogue that is in at least one user's first k."""
        shown = self._first(k)
        return len(np.unique(shown[shown >= 0])) / len(self.item_counts)

    def novelty(self, k: int) -> Values:
        """Mean self-information in bits, -log2(share of all train interactions), of the first k, per user.

        An item that nobody has in train counts as if one user had it.
        """
        shown = self._first(k)
        there = shown >= 0
        bits = -np.log2(np.maximum(self.item_counts, 1) / self.item_counts.sum())
        novelty: Values = np.where(there, bits[shown], 0.0).sum(axis=1) / there.sum(axis=1)
        return novelty

    def _first(self, k: int) -> Indices:
        length = self.items.shape[1]
        if k > length and length < len(self.item_counts):
            raise ConfigError(
                "k is longer than the lists", got=k, allowed=f"1 to {length}", do="make longer lists: top_lists(..., k)"
            )
        return self.items[:, :k]


def top_lists(scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, k: int = max(CUTOFFS)) -> TopLists:
    """The first k items of each evaluated user, of all that compete in the full ranking, the held-out one too."""
    with torch.inference_mode():
        parts = [list_items(scorer, ranker, rows, k) for rows in ranker]
    return TopLists(torch.cat(parts).cpu().numpy(), data.item_counts)


def list_items(scorer: Scorer, ranker: HoldoutRanker, rows: slice, k: int) -> Tensor:
    """The lists of some of the ranker's rows: int64[B, k]."""
    users = ranker.users[rows]
    scores = scorer.score_all(users)
    scores[ranker.excluded.of_users(users)] = -torch.inf
    return top_items(scores, k)
