"""The users of a log as a model sees them: which have a vector of their own, and what they have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncf.data.columns import Ids
from ncf.sampling.rows import PairRows
from ncf.serving.bundle import Bundle
from ncf.serving.log import ServingLog

FoldedIn: TypeAlias = Literal["new", "grown", "all"]
"""new: users of whom the model has not learned; grown: also those with more items than it has learned of; all."""

FROM_MODEL, FROM_ITEMS, FROM_POPULARITY = SOURCES = ("model", "items", "popularity")


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
        sources = torch.where(folded, torch.where(liked > 0, 1, torch.where(vectors < 0, 2, 0)), 0)
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
