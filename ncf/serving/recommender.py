"""Top-N lists: for users whom the model knows, for those known only by some items, and for unknown ones."""

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
from ncf.data.ids import KnownIds, from_json, kind_of, to_json
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.ranking import SCORING_MEMORY_MB, top_items, users_at_once
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn

RANK, SCORE, SOURCE = "rank", "score", "source"
FROM_MODEL, FROM_ITEMS, FROM_POPULARITY = "model", "items", "popularity"


@dataclass(frozen=True)
class Choice:
    """Which items may be recommended.

    Attributes:
        left_out: int64[B], indices of items that nobody gets.
        unseen_only: whether the items that a user has seen are left out as well.
    """

    left_out: Tensor
    unseen_only: bool = True


EVERYTHING = Choice(torch.empty(0, dtype=torch.int64))


class Recommender:
    """Recommends from a bundle. Unknown users, and users without a train interaction, get the popular items.

    A user's list and scores do not depend, bit for bit, on the other users or on the size of the blocks. The weights
    must not change while it is in use.

    Args:
        bundle: weights, ids, seen items and popularity.
        memory_mb: memory for the scores of one block of users, in MB.
        choice: which items may be recommended; by default all that a user has not seen.
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
        """Load the bundle in a folder.

        Raises:
            ModelError: the bundle is damaged.
        """
        return cls(Bundle.load(folder), memory_mb=memory_mb)

    def recommend(
        self, user_ids: Sequence[Any], k: int = 10, *, titles: bool = False, allow_unknown: bool = False
    ) -> pd.DataFrame:
        """The best items for each user, without those that the user has seen.

        Args:
            user_ids: ids of the type they have in the log (a UUID is a UUID, not its text). A user whom the model does
                not know gets popular items.
            k: items per user; a user with fewer unseen items gets fewer.
            titles: whether to add a column with the items' titles.
            allow_unknown: take a list of which the model knows fewer than half of the users, or none.

        Returns:
            One row per recommendation: user_id, item_id, rank (int64, from 1), score (float32: the model's logit, or
            the number of interactions), source ("model" or "popularity"), and on request title (str, empty where
            unknown). Users are in the order given. Items with equal scores are in the catalogue's order.

        Raises:
            ConfigError: k is not between 1 and the number of items, or fewer than half of the users are known.
            ModelError: a score is NaN.
        """
        self._check(k)
        ids = pd.Index(user_ids) if len(user_ids) else self._users[:0]
        users = self.users_of(ids)
        if not allow_unknown and (users < 0).any():
            KnownIds(ids, self.bundle.user_ids).check("user_ids", ConfigError, allow=False, switch="allow_unknown=True")
        items, scores = self.best(users, k)
        user, position = np.nonzero(items >= 0)
        found = items[user, position]
        columns = {
            USER_ID: ids[user],
            ITEM_ID: self._items[found],
            RANK: (position + 1).astype(np.int64),
            SCORE: scores[user, position],
            SOURCE: np.where(learned_of(self.bundle, users).numpy()[user], FROM_MODEL, FROM_POPULARITY),
        }
        return pd.DataFrame(columns | ({TITLE: self.bundle.titles[found]} if titles else {}))

    def recommend_for_items(
        self, item_ids: Sequence[Any], k: int = 10, *, titles: bool = False, allow_unknown: bool = False
    ) -> pd.DataFrame:
        """The best items for a user who is known only by a few items: a user vector is fitted to them (folding in).

        Args:
            item_ids: ids of items that the user likes; the model must know at least one of them.
            k: items to recommend; fewer if fewer are left. The given items are not among them.
            titles: whether to add a column with the items' titles.
            allow_unknown: take a list of which the model knows fewer than half of the items.

        Returns:
            One row per recommendation: item_id, rank (int64, from 1), score (float32, the model's logit), and on
            request title (str, empty where unknown).

        Raises:
            ConfigError: the model knows none of the items, or fewer than half, or k is not between 1 and the number of
                items.
            ModelError: a score is NaN.
        """
        self._check(k)
        items = self.items_of(item_ids)
        items = items[items >= 0]
        if len(items) < len(item_ids) or not len(items):
            switch = "allow_unknown=True" if len(items) else ""  # nothing can be fitted to no item
            ids = KnownIds(item_ids, self.bundle.item_ids)
            ids.check("item_ids", ConfigError, allow=allow_unknown and bool(switch), switch=switch)
        _, found, scores = self.best_of_user(-1, items, k)
        columns = {ITEM_ID: self._items[found], RANK: np.arange(1, len(found) + 1), SCORE: scores}
        return pd.DataFrame(columns | ({TITLE: self.bundle.titles[found]} if titles else {}))

    def recommend_json(self, user_ids: Sequence[Any], k: int = 10) -> pd.DataFrame:
        """`recommend` with ids as they are in JSON, which has no UUIDs: they are text in both directions."""
        frame = self.recommend(from_json(list(user_ids), kind_of(self.bundle.user_ids)), k, allow_unknown=True)
        return frame.assign(**{column: to_json(frame[column]) for column in (USER_ID, ITEM_ID)})

    @cached_property
    def fold_in(self) -> FoldIn:
        """Fits user vectors to lists of items; created on first use."""
        return FoldIn(self.bundle)

    def _check(self, k: int) -> None:
        num_items = len(self._items)
        if not 1 <= k <= num_items:
            raise ConfigError("k is out of range", got=k, allowed=f"1 to {num_items}, the number of items")

    def users_of(self, user_ids: "Sequence[Any] | NDArray[Any] | pd.Index[Any]") -> Tensor:
        """Indices of ids, int64[B]; -1 for an unknown one."""
        return torch.as_tensor(self._users.get_indexer(pd.Index(user_ids)))

    def items_of(self, item_ids: "Sequence[Any] | NDArray[Any] | pd.Index[Any]") -> Tensor:
        """Indices of ids, int64[B]; -1 for an unknown one."""
        return torch.as_tensor(self._items.get_indexer(pd.Index(item_ids)))

    def user_of(self, user_id: Any) -> int:
        """Index of one id, or -1; far quicker than `users_of` for a single id."""
        try:
            return int(self._users.get_loc(user_id))  # type: ignore[arg-type]  # ids are unique, so it is one position
        except KeyError:
            return -1

    def best(self, users: Tensor, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The best k items of users int64[B] (-1: unknown), and their scores, [B, k]; -1 pads users with fewer items.

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

    def best_of_user(self, user: int, items: Tensor, k: int) -> tuple[str, NDArray[np.int64], NDArray[np.float32]]:
        """The best items of one user, who may be known by some items.

        Args:
            user: index, or -1. A user of whom the model has learned is answered with their own vector.
            items: int64[P], what the user has; any other user is folded in by them. They are not recommended.
            k: items to recommend; fewer if fewer are left.

        Returns:
            The source ("model", "items" or "popularity"), items int64[K], best first, and their scores float32[K].

        Raises:
            ModelError: a score is NaN.
        """
        row = torch.tensor([user])
        source = FROM_MODEL if learned_of(self.bundle, row) else FROM_ITEMS if len(items) else FROM_POPULARITY
        with torch.inference_mode(mode=source != FROM_ITEMS):
            scores = self._folded_in(row, items) if source == FROM_ITEMS else self.offered(row)
            scores[0, items] = -torch.inf
            best = top_items(scores, k)[0]
            best = best[best >= 0]
            return source, best.numpy(), scores[0, best].numpy()

    def _folded_in(self, user: Tensor, items: Tensor) -> Tensor:
        scores = self.fold_in.scores(items)[None].clone()
        if user >= 0 and self.choice.unseen_only:
            scores[0, self.bundle.seen.of_users(user)[1]] = -torch.inf
        scores[0, self.choice.left_out] = -torch.inf
        return scores

    def offered(self, users: Tensor) -> Tensor:
        """Scores of all items, float[B, num_items], of users int64[B]; -inf marks items that a user must not get."""
        own = users.clamp(min=0)
        scores = self.bundle.model.score_all(own, self._items_part)
        scores[~learned_of(self.bundle, users)] = self._popularity
        if self.choice.unseen_only:
            scores[self.bundle.seen.of_users(own)] = -torch.inf
            scores[users < 0] = self._popularity
        scores[:, self.choice.left_out] = -torch.inf
        return scores


def learned_of(bundle: Bundle, users: Tensor) -> Tensor:
    """Whether the model has learned of these users, bool[B]; -1 is an unknown user."""
    return torch.from_numpy(bundle.learned)[users.clamp(min=0)] & (users >= 0)


class ServedScorer:
    """Scores newer data as the bundle's model would serve them.

    Users whom the model does not know, or has not learned of, get its popular items. Items that it does not know come
    last, all with the same score.

    Args:
        bundle: the model, possibly trained on other data.
        data: the data to score.
    """

    def __init__(self, bundle: Bundle, data: PreparedData) -> None:
        self.model = bundle.model
        users = torch.as_tensor(pd.Index(bundle.user_ids).get_indexer(pd.Index(data.user_ids)))
        self.users = users.where(learned_of(bundle, users), -1)
        self.items = torch.as_tensor(pd.Index(bundle.item_ids).get_indexer(pd.Index(data.item_ids)))
        self.popularity = torch.as_tensor(bundle.item_counts, dtype=torch.float32)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B], indices in the data -> float[B, data.num_items]."""
        own = self.users[users]
        scores = self.model.score_all(own.clamp(min=0))
        scores[own < 0] = self.popularity
        last = scores.amin(dim=1, keepdim=True) - 1
        return torch.cat([scores, last], dim=1)[:, self.items]  # an unknown item's index, -1, is the last column
