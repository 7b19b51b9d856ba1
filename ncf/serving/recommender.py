"""Top-N lists for users known and unknown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ncf.data.prepared import PreparedData
from ncf.data.ratings import ITEM_ID, USER_ID
from ncf.data.rows import PairRows
from ncf.errors import ConfigError
from ncf.evaluation.ranking import MAX_SCORES
from ncf.serving.bundle import Bundle

RANK, SCORE, SOURCE = "rank", "score", "source"
FROM_MODEL, FROM_POPULARITY = "model", "popularity"


class Recommender:
    """Recommends from a bundle. Unknown users get the popular items, marked as such.

    Args:
        bundle: weights, ids, seen items and popularity.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._users = pd.Index(bundle.user_ids)
        self._items = pd.Index(bundle.item_ids)
        self._seen = PairRows.of([bundle.seen], len(bundle.user_ids))
        self._popularity = torch.as_tensor(bundle.item_counts, dtype=torch.float32)

    @classmethod
    def load(cls, folder: Path) -> "Recommender":
        """Read the bundle in a folder.

        Raises:
            ModelError: the bundle is damaged.
        """
        return cls(Bundle.load(folder))

    def recommend(self, user_ids: Sequence[Any], k: int = 10) -> pd.DataFrame:
        """Best items for each user, leaving out what the user has seen.

        Args:
            user_ids: outside ids; one that the model does not know is answered with popular items.
            k: items per user; fewer where a user has fewer unseen.

        Returns:
            One row a recommendation: user_id, item_id, rank (int64, from 1), score (float32: the model's logit, or
            the number of interactions), source ("model" or "popularity"). Users in the order given. Equal scores are
            ranked by the item's place in the catalogue.

        Raises:
            ConfigError: k is not between 1 and the number of items.
        """
        num_items = len(self.bundle.item_ids)
        if not 1 <= k <= num_items:
            raise ConfigError("k is out of range", got=k, allowed=f"1 to {num_items}, the number of items")
        ids = pd.Index(user_ids) if len(user_ids) else self._users[:0]
        rows_at_once = max(1, MAX_SCORES // num_items)
        parts = [self._top(ids[start : start + rows_at_once], k) for start in range(0, len(ids), rows_at_once)]
        return pd.concat(parts, ignore_index=True) if parts else self._top(ids, k)

    def _top(self, ids: "pd.Index[Any]", k: int) -> pd.DataFrame:
        users = torch.as_tensor(self._users.get_indexer(ids))
        known = users >= 0
        scores = self._popularity.expand(len(users), -1).clone()
        with torch.inference_mode():
            scores[known] = self.bundle.model.score_all(users[known])
        row, column = self._seen.of_users(users[known])
        scores[torch.nonzero(known)[:, 0][row], column] = -torch.inf
        order = torch.sort(scores, dim=1, descending=True, stable=True).indices[:, :k]
        top = scores.gather(1, order)
        user, place = (index.numpy() for index in torch.nonzero(~torch.isneginf(top), as_tuple=True))
        return pd.DataFrame(
            {
                USER_ID: ids[user],
                ITEM_ID: self._items[order.numpy()[user, place]],
                RANK: (place + 1).astype(np.int64),
                SCORE: top.numpy()[user, place],
                SOURCE: np.where(known.numpy()[user], FROM_MODEL, FROM_POPULARITY),
            }
        )


class ServedScorer:
    """A bundle as a scorer on newer data: it is judged as it would serve it.

    Users it does not know get its popularity; items it does not know come last, all equal.

    Args:
        bundle: the model, trained on other data perhaps.
        data: the data to be scored.
    """

    def __init__(self, bundle: Bundle, data: PreparedData) -> None:
        self.model = bundle.model
        self.users = torch.as_tensor(pd.Index(bundle.user_ids).get_indexer(pd.Index(data.user_ids)))
        self.items = torch.as_tensor(pd.Index(bundle.item_ids).get_indexer(pd.Index(data.item_ids)))
        self.popularity = torch.as_tensor(bundle.item_counts, dtype=torch.float32)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B], indices of the newer data -> float[B, its number of items]."""
        own = self.users[users]
        known = own >= 0
        scores = self.popularity.expand(len(users), -1).clone()
        scores[known] = self.model.score_all(own[known])
        last = scores.amin(dim=1, keepdim=True) - 1
        return torch.cat([scores, last], dim=1)[:, self.items]  # an unknown item's index, -1, is the last column
