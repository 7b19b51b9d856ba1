"""Pairs grouped by user, for looking up many users' items at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ncf.data.split import Pairs


@dataclass(frozen=True)
class PairRows:
    """Items of each user, one user after the other: a sparse row matrix.

    Attributes:
        offsets, counts: int64[num_users], where a user's items begin and how many they are.
        items: int64[number of pairs].
    """

    offsets: Tensor
    counts: Tensor
    items: Tensor

    @classmethod
    def of(cls, parts: Sequence[Pairs], num_users: int, device: torch.device | str = "cpu") -> Self:
        """Group the pairs of several splits."""
        users = torch.as_tensor(np.concatenate([part.users for part in parts]), device=device)
        items = torch.as_tensor(np.concatenate([part.items for part in parts]), device=device)
        counts = torch.bincount(users, minlength=num_users)
        return cls(counts.cumsum(0) - counts, counts, items[torch.argsort(users, stable=True)])

    def of_users(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Every pair of these users, int64[B], as (position in `users`, item), int64[number of pairs] each."""
        counts = self.counts[users]
        row = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        within = torch.arange(len(row), device=users.device) - (counts.cumsum(0) - counts)[row]
        return row, self.items[self.offsets[users][row] + within]
