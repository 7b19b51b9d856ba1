"""The users of a log as a model sees them, and newer data scored as the model would serve them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncf.data import Ids
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.ranking import HoldoutRanker
from ncf.sampling.sampler import PairRows
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn
from ncf.serving.log import ServingLog

FoldedIn: TypeAlias = Literal["new", "grown", "all"]
"""new: users of whom the model has not learned; grown: also those with more items than it has learned of; all."""

FROM_MODEL, FROM_ITEMS, FROM_POPULARITY = SOURCES = ("model", "items", "popularity")
LEARNED, FOLDED, POPULAR = range(len(SOURCES))
MOST_USERS = 1_000  # whose lists are compared: folding in takes some milliseconds a user


@dataclass(frozen=True)
class ServedUsers:
    """The users of a log, for a model that may have learned from another one.

    Attributes:
        ids: of the log's users, also of those of whom only left-out rows are known; position = index.
        vectors: int64[U], the model's index of a user of whom it has learned; -1: it has not.
        seen: the model's indices of each user's items: first those that count as interactions; items that the model
            does not know are left out.
        liked: int64[U], how many of these count as interactions.
        sources: int64[U], what a user's list is based on, as an index into SOURCES.
    """

    ids: "pd.Index[Any]"
    vectors: Tensor
    seen: PairRows
    liked: Tensor
    sources: Tensor

    @classmethod
    def of(cls, bundle: Bundle, log: ServingLog, fold_in: FoldedIn = "new") -> Self:
        """Look the log's users and items up in the model.

        Args:
            bundle: the model.
            log: its own, or a newer one.
            fold_in: who is folded in from their items.
        """
        users, items = index_of(bundle.user_ids, log.user_ids), index_of(bundle.item_ids, log.item_ids)
        learned = torch.from_numpy(bundle.learned)
        vectors = users.where((users >= 0) & learned[users.clamp(min=0)], -1)
        seen, liked = _known_items(log, items)
        folded = vectors < 0
        if fold_in == "all":
            folded = torch.ones_like(folded)
        elif fold_in == "grown" and log is not bundle.log:
            folded |= liked > _shared(bundle, users, seen, liked)
        own = torch.where(vectors < 0, POPULAR, LEARNED)
        sources = torch.where(folded & (liked > 0), FOLDED, own)
        return cls(pd.Index(log.user_ids), vectors, seen, liked, sources)

    def liked_items(self, user: int) -> Tensor:
        """int64[P], the model's indices of a user's items that count as interactions."""
        start = int(self.seen.offsets[user])
        return self.seen.items[start : start + int(self.liked[user])].long()


def index_of(known: Ids, ids: "Ids | Sequence[Any] | pd.Index[Any]") -> Tensor:
    """Position of each id among the known ones, int64[len(ids)]; -1 for one that is not there."""
    return torch.from_numpy(pd.Index(known).get_indexer(pd.Index(ids)).astype(np.int64))


def _known_items(log: ServingLog, index: Tensor) -> tuple[PairRows, Tensor]:
    """Each user's items by the model's index, and how many count as interactions; unknown ones are left out."""
    counts = log.items.counts
    row = torch.repeat_interleave(torch.arange(len(counts)), counts)
    within = torch.arange(len(row)) - log.items.offsets[row]
    items = index.to(torch.int32)[log.items.items.long()]
    kept = items >= 0
    known = torch.bincount(row[kept], minlength=len(counts))
    liked = torch.bincount(row[kept & (within < log.liked[row])], minlength=len(counts))
    return PairRows.of_counts(known, items[kept]), liked


def _shared(bundle: Bundle, users: Tensor, seen: PairRows, liked: Tensor) -> Tensor:
    """int64[U]: how many of each user's items the model's own log has as interactions of the user."""
    num_items = len(bundle.item_ids)
    row = torch.repeat_interleave(torch.arange(len(users)), liked)
    within = torch.arange(len(row)) - (liked.cumsum(0) - liked)[row]
    keys = users[row] * num_items + seen.items[seen.offsets[row] + within]
    own = torch.repeat_interleave(torch.arange(len(bundle.user_ids)), bundle.seen.counts) * num_items
    shared: NDArray[np.bool_] = np.isin(keys.numpy(), (own + bundle.seen.items).numpy()) & (users[row] >= 0).numpy()
    return torch.bincount(row[torch.from_numpy(shared)], minlength=len(users))


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
        for row in (sources == FOLDED).nonzero()[:, 0].tolist():
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
    own, folded = refolded.users.vectors[users], refolded.sources[users] == FOLDED
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
