"""Newer data scored as a model would serve it."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.ranking import HoldoutRanker
from ncf.sampling.rows import PairRows
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn
from ncf.serving.log import ServingLog
from ncf.serving.recommender import POPULAR
from ncf.serving.users import FROM_ITEMS, SOURCES, FoldedIn, ServedUsers, index_of

MOST_USERS = 1_000  # whose lists are compared: folding in takes some milliseconds a user


class ServedScorer:
    """Scores newer data as the bundle's model would serve them, had the log ended with the data's train pairs.

    Users of whom the model has not learned are folded in from their train items; those without any that it knows get
    its popular items. Items that it does not know come last, all with the same score.

    Args:
        bundle: the model, possibly trained on other data.
        data: the data to score.
        fold_in: who is folded in.

    Attributes:
        sources: int64[data.num_users], what each user's scores are based on, as an index into SOURCES.
    """

    def __init__(self, bundle: Bundle, data: PreparedData, fold_in: FoldedIn = "new") -> None:
        self.bundle = bundle
        empty = np.full(data.num_items, "", dtype=object)
        counts = torch.from_numpy(data.user_counts)
        train = PairRows.of([data.train], data.num_users)
        log = ServingLog(data.user_ids, data.item_ids, empty, train, counts, data.num_users, data.num_items)
        self.users = ServedUsers.of(bundle, log, fold_in)
        self.sources = self.users.sources
        self.items = index_of(bundle.item_ids, data.item_ids)
        self.popularity = torch.as_tensor(bundle.item_counts, dtype=torch.float32)

    @cached_property
    def fold_in(self) -> FoldIn:
        """Fits user vectors to lists of items; created on first use."""
        return FoldIn(self.bundle)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B], indices in the data -> float[B, data.num_items]."""
        sources = self.sources[users]
        scores = self.bundle.model.score_all(self.users.vectors[users].clamp(min=0))
        scores[sources == POPULAR] = self.popularity
        for row in (sources == SOURCES.index(FROM_ITEMS)).nonzero()[:, 0].tolist():
            with torch.inference_mode(mode=False):  # fitting takes gradients
                of_user = self.fold_in.scores(self.users.liked_items(int(users[row])))
            scores[row] = of_user
        last = scores.amin(dim=1, keepdim=True) - 1
        return torch.cat([scores, last], dim=1)[:, self.items]  # an unknown item's index, -1, is the last column


def refold_gain(bundle: Bundle, data: PreparedData, memory_mb: int) -> tuple[float, int]:
    """How much better the lists of users who have new items are if they are folded in from all their train items.

    Args:
        bundle: the model that serves.
        data: newer data.
        memory_mb: memory for the scores of one block of users, in MB.

    Returns:
        The mean difference of validation NDCG@10 (full ranking), and the number of users: those of whom the model has
        learned, but not of their validation item; at most 1,000.
    """
    refolded = ServedScorer(bundle, data, "all")
    validation = data.validation.pairs
    users, items = torch.as_tensor(validation.users), index_of(bundle.item_ids, data.item_ids)[validation.items]
    own, folded = refolded.users.vectors[users], refolded.sources[users] == SOURCES.index(FROM_ITEMS)
    num_items = len(bundle.item_ids)
    row, seen = bundle.seen.of_users(own.clamp(min=0))
    had = np.isin((own * num_items + items).numpy(), (own[row] * num_items + seen).numpy())
    chosen = np.flatnonzero(((own >= 0) & folded & (items >= 0)).numpy() & ~had)[:MOST_USERS]
    if not len(chosen):
        return 0.0, 0
    pairs = Pairs(validation.users[chosen], validation.items[chosen])
    part = replace(data, validation=Holdout(pairs, data.validation.candidates[chosen]))
    ranker = HoldoutRanker(part, "validation", memory_mb=memory_mb)
    new, old = (ranker.rank_all(scorer).values()[PROMOTION_METRIC] for scorer in (refolded, ServedScorer(bundle, data)))
    return float((new - old).mean()), len(chosen)
