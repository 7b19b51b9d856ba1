"""Pairs grouped by user, for looking up many users' items at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ncf.data.split import Pairs


@dataclass(frozen=True)
class PairRows:
    """Items of each user, one user after the other: a sparse row matrix.

    Attributes:
        counts: int64[num_users], how many items a user has.
        offsets: int64[num_users], where they begin.
        items: int32[number of pairs]; half the memory of int64.
    """

    counts: Tensor
    offsets: Tensor
    items: Tensor

    @classmethod
    def of_counts(cls, counts: Tensor, items: Tensor) -> Self:
        """From the number of items of each user, int64[num_users], and the items in that order, int32."""
        return cls(counts, counts.cumsum(0) - counts, items)

    @classmethod
    def of(cls, splits: Sequence[Pairs], num_users: int, device: torch.device | str = "cpu") -> Self:
        """Group the pairs of several splits; a user's items are in the order of the splits, then of their pairs."""
        tensors = [_by_user(pairs, device) for pairs in splits]
        counted = [torch.bincount(users, minlength=num_users) for users, _ in tensors]
        counts = torch.stack(counted).sum(dim=0)
        items = torch.empty(sum(len(pairs) for pairs in splits), dtype=torch.int32, device=device)
        free = counts.cumsum(0) - counts
        for (users, its), own in zip(tensors, counted, strict=True):
            place = (free - (own.cumsum(0) - own))[users]
            items[place.add_(torch.arange(len(users), device=device))] = its.int()
            free = free + own
        return cls.of_counts(counts, items)

    def of_users(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Every pair of these users, int64[B], as (position in `users`, item), int64[number of pairs] each."""
        counts = self.counts[users]
        row = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        within = torch.arange(len(row), device=users.device) - (counts.cumsum(0) - counts)[row]
        return row, self.items[self.offsets[users][row] + within].long()


def _by_user(pairs: Pairs, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Users and items, int64, users ascending; a split is so already, and sorting 20 million takes seconds."""
    users, items = (torch.as_tensor(index, device=device) for index in (pairs.users, pairs.items))
    if (users[1:] >= users[:-1]).all():
        return users, items
    order = torch.argsort(users, stable=True)
    return users[order], items[order]
