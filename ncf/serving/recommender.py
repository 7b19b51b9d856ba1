"""Top-N lists for users known and unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncf.data.columns import ITEM_ID, TITLE, USER_ID
from ncf.data.ids import from_json, kind_of, to_json
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.lists import top_items
from ncf.evaluation.ranking import SCORING_MEMORY_MB, users_at_once
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn

RANK, SCORE, SOURCE = "rank", "score", "source"
FROM_MODEL, FROM_POPULARITY = "model", "popularity"


@dataclass(frozen=True)
class Choice:
    """Which items may be recommended.

    Attributes:
        left_out: int64[B], indices of items that no one is to get.
        unseen_only: whether a user's seen items are left out, too.
    """

    left_out: Tensor
    unseen_only: bool = True


EVERYTHING = Choice(torch.empty(0, dtype=torch.int64))


class Recommender:
    """Recommends from a bundle. Unknown users get the popular items, marked as such; so do users without a train row.

    A user's list and scores are the same bits whoever else is asked for, in blocks of any size. The weights must not
    change meanwhile.

    Args:
        bundle: weights, ids, seen items and popularity.
        memory_mb: MB that the scores of one block of users may take.
        choice: which items may be recommended; all that a user has not seen, unless it says otherwise.
    """

    def __init__(self, bundle: Bundle, *, memory_mb: int = SCORING_MEMORY_MB, choice: Choice = EVERYTHING) -> None:
        self.bundle = bundle
        self.choice = choice
        self.rows_at_once = users_at_once(memory_mb, len(bundle.item_ids))
        self._users = pd.Index(bundle.user_ids)
        self._items = pd.Index(bundle.item_ids)
        self._popularity = torch.as_tensor(bundle.item_counts, dtype=torch.float32)
        with torch.inference_mode():
            self._items_part = bundle.model.items_part()

    @classmethod
    def load(cls, folder: str | Path, *, memory_mb: int = SCORING_MEMORY_MB) -> "Recommender":
        """Read the bundle in a folder.

        Raises:
            ModelError: the bundle is damaged.
        """
        return cls(Bundle.load(folder), memory_mb=memory_mb)

    def recommend(self, user_ids: Sequence[Any], k: int = 10, *, titles: bool = False) -> pd.DataFrame:
        """Best items for each user, leaving out what the user has seen.

        Args:
            user_ids: outside ids, of the type they had in the log (a UUID is a UUID, not its text); one that the
                model does not know is answered with popular items.
            k: items per user; fewer where a user has fewer unseen.
            titles: whether the items' titles stand beside them.

        Returns:
            One row a recommendation: user_id, item_id, rank (int64, from 1), score (float32: the model's logit, or
            the number of interactions), source ("model" or "popularity"), and perhaps title (str, empty where
            unknown). Users in the order given. Equal scores are ranked by the item's place in the catalogue.

        Raises:
            ConfigError: k is not between 1 and the number of items.
            ModelError: a score is NaN.
        """
        self._check(k)
        ids = pd.Index(user_ids) if len(user_ids) else self._users[:0]
        users = self.users_of(ids)
        items, scores = self.best(users, k)
        user, place = np.nonzero(items >= 0)
        found = items[user, place]
        columns = {
            USER_ID: ids[user],
            ITEM_ID: self._items[found],
            RANK: (place + 1).astype(np.int64),
            SCORE: scores[user, place],
            SOURCE: np.where(learned_of(self.bundle, users).numpy()[user], FROM_MODEL, FROM_POPULARITY),
        }
        return pd.DataFrame(columns | ({TITLE: self.bundle.titles[found]} if titles else {}))

    def recommend_like(self, item_ids: Sequence[Any], k: int = 10) -> pd.DataFrame:
        """Best items for someone who is known by a few items alone: a vector of their own is fitted to these.

        Args:
            item_ids: outside ids of items they like; at least one that the model knows.
            k: items wanted; fewer where fewer are left. Those given are not among them.

        Returns:
            One row a recommendation: item_id, rank (int64, from 1), score (float32, the model's logit), title (str).

        Raises:
            ConfigError: the model knows none of the items, or k is not between 1 and the number of items.
            ModelError: a score is NaN.
        """
        self._check(k)
        items = self.items_of(item_ids) if len(item_ids) else torch.empty(0, dtype=torch.int64)
        items = items[items >= 0]
        if not len(items):
            raise ConfigError(
                "the model knows none of these items", got=list(item_ids), allowed="ids of the log it was trained on"
            )
        scores = self.fold_in.scores(items)[None].clone()
        scores[0, torch.cat([items, self.choice.left_out])] = -torch.inf
        best = top_items(scores, k)[0]
        best = best[best >= 0]
        ranks = np.arange(1, len(best) + 1)
        found = best.numpy()
        return pd.DataFrame(
            {ITEM_ID: self._items[found], RANK: ranks, SCORE: scores[0, best].numpy(), TITLE: self.bundle.titles[found]}
        )

    @cached_property
    def fold_in(self) -> FoldIn:
        """What fits a vector to a list of items; made when it is first asked for."""
        return FoldIn(self.bundle)

    def _check(self, k: int) -> None:
        num_items = len(self._items)
        if not 1 <= k <= num_items:
            raise ConfigError("k is out of range", got=k, allowed=f"1 to {num_items}, the number of items")

    def answer(self, user_ids: Sequence[Any], k: int = 10) -> pd.DataFrame:
        """`recommend` for ids that come and go as JSON, which has no UUIDs: they are text in both directions."""
        given = from_json(list(user_ids), kind_of(self.bundle.user_ids))
        frame = self.recommend(given, k)
        return frame.assign(**{column: to_json(frame[column]) for column in (USER_ID, ITEM_ID)})

    def users_of(self, user_ids: "Sequence[Any] | NDArray[Any] | pd.Index[Any]") -> Tensor:
        """Indices of outside ids, int64[B]; -1 for an unknown one."""
        return torch.as_tensor(self._users.get_indexer(pd.Index(user_ids)))

    def items_of(self, item_ids: "Sequence[Any] | NDArray[Any] | pd.Index[Any]") -> Tensor:
        """Indices of outside ids, int64[B]; -1 for an unknown one."""
        return torch.as_tensor(self._items.get_indexer(pd.Index(item_ids)))

    def user_of(self, user_id: Any) -> int:
        """Index of one outside id, or -1; far quicker than a list of one."""
        try:
            return int(self._users.get_loc(user_id))  # type: ignore[arg-type]  # ids are unique: it is one place
        except KeyError:
            return -1

    def best(self, users: Tensor, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Items, -1 where a user has fewer, and their scores, [B, k], of users int64[B], -1 for an unknown one.

        Raises:
            ModelError: a score is NaN.
        """
        items = torch.empty(len(users), k, dtype=torch.int32)
        scores = torch.empty(len(users), k)
        with torch.inference_mode():
            for start in range(0, len(users), self.rows_at_once):
                rows = slice(start, start + self.rows_at_once)
                offered = self.offered(users[rows])
                best = top_items(offered, k)
                items[rows], scores[rows] = best, offered.gather(1, best.clamp(min=0))
        return items.numpy(), scores.numpy()

    def offered(self, users: Tensor) -> Tensor:
        """Scores of all items, float[B, num_items], of users int64[B]; -inf marks what a user is not to get."""
        own = users.clamp(min=0)
        scores = self.bundle.model.score_all(own, self._items_part)
        scores[~learned_of(self.bundle, users)] = self._popularity
        if self.choice.unseen_only:
            scores[self.bundle.seen.of_users(own)] = -torch.inf
            scores[users < 0] = self._popularity
        scores[:, self.choice.left_out] = -torch.inf
        return scores


def learned_of(bundle: Bundle, users: Tensor) -> Tensor:
    """Whether the model has learned of these users, bool[B]; -1 is an unknown one."""
    return torch.from_numpy(bundle.learned)[users.clamp(min=0)] & (users >= 0)


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
