"""Recommenders without training, the first row of every table."""

import torch
from torch import Tensor

from ncf.data.prepared import PreparedData


class Popularity:
    """The same scores for everyone: each item's number of train interactions."""

    def __init__(self, data: PreparedData) -> None:
        self.scores = torch.as_tensor(data.item_counts, dtype=torch.float32)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        return self.scores.to(users.device).expand(len(users), -1)
