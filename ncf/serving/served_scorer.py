"""A model judged on newer data, as it would serve them."""

import pandas as pd
import torch
from torch import Tensor

from ncf.data.prepared import PreparedData
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import learned_of


class ServedScorer:
    """A bundle as a scorer on newer data: it is judged as it would serve it.

    Users it does not know, or has not learned, get its popularity; items it does not know come last, all equal.

    Args:
        bundle: the model, trained on other data perhaps.
        data: the data to be scored.
    """

    def __init__(self, bundle: Bundle, data: PreparedData) -> None:
        self.model = bundle.model
        users = torch.as_tensor(pd.Index(bundle.user_ids).get_indexer(pd.Index(data.user_ids)))
        self.users = users.where(learned_of(bundle, users), -1)
        self.items = torch.as_tensor(pd.Index(bundle.item_ids).get_indexer(pd.Index(data.item_ids)))
        self.popularity = torch.as_tensor(bundle.item_counts, dtype=torch.float32)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B], indices of the newer data -> float[B, its number of items]."""
        own = self.users[users]
        scores = self.model.score_all(own.clamp(min=0))
        scores[own < 0] = self.popularity
        last = scores.amin(dim=1, keepdim=True) - 1
        return torch.cat([scores, last], dim=1)[:, self.items]  # an unknown item's index, -1, is the last column
