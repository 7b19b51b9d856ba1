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

from ncf.data import ITEM_ID, TITLE, USER_ID
from ncf.data.ids import KnownIds, from_json, kind_of, to_json
from ncf.errors import ConfigError
from ncf.evaluation.ranking import SCORING_MEMORY_MB, top_items, users_at_once
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn
from ncf.serving.log import ServingLog
from ncf.serving.users import FOLDED, FROM_ITEMS, FROM_MODEL, POPULAR, SOURCES, ServedUsers, index_of

RANK, SCORE, SOURCE = "rank", "score", "source"


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
    """Recommends from a bundle, to the users of a log, nothing that the log says they have.

    A user of whom the model has learned is answered with their own vector. Any other user of the log is folded in from
    their items; a user with no items that the model knows gets the popular ones, like a user who is not in the log.

    A user's list and scores do not depend, bit for bit, on the other users or on the size of the blocks. The weights
    must not change while it is in use.

    Args:
        bundle: weights, ids and popularity.
        log: users, titles, and what the users have; None: the log of the model's own data.
        memory_mb: memory for the scores of one block of users, in MB.
        choice: which items may be recommended; by default all that a user has not seen.
        refold: whether users who have more items than the model has learned of are folded in, like new users.

    Attributes:
        titles: str[num_items], by the model's index; empty where unknown.
    """

    def __init__(
        self,
        bundle: Bundle,
        log: ServingLog | None = None,
        *,
        memory_mb: int = SCORING_MEMORY_MB,
        choice: Choice = EVERYTHING,
        refold: bool = False,
    ) -> None:
        self.bundle, self.log, self.choice = bundle, log or bundle.log, choice
        self.rows_at_once = users_at_once(memory_mb, len(bundle.item_ids))
        self.users = ServedUsers.of(bundle, self.log, "grown" if refold else "new")
        self.titles = _titles(bundle, self.log)
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
            user_ids: ids of the type they have in the log (a UUID is a UUID, not its text). A user who is not in the
                log gets popular items.
            k: items per user; a user with fewer unseen items gets fewer.
            titles: whether to add a column with the items' titles.
            allow_unknown: take a list of which the model knows fewer than half of the users, or none.

        Returns:
            One row per recommendation: user_id, item_id, rank (int64, from 1), score (float32: the model's logit, or
            the number of interactions), source ("model": the user's own vector; "items": one fitted to the user's
            items; "popularity"), and on request title (str, empty where unknown). Users are in the order given. Items
            with equal scores are in the catalogue's order.

        Raises:
            ConfigError: k is not between 1 and the number of items, or fewer than half of the users are known.
            ModelError: a score is NaN.
        """
        self._check(k)
        ids = pd.Index(user_ids) if len(user_ids) else self.users.ids[:0]
        users = self.users_of(ids)
        if not allow_unknown and (users < 0).any():
            known = KnownIds(ids, self.log.user_ids, "the log")
            known.check("user_ids", ConfigError, allow=False, switch="allow_unknown=True")
        items, scores = self.best(users, k)
        user, position = np.nonzero(items >= 0)
        found = items[user, position]
        columns = {
            USER_ID: ids[user],
            ITEM_ID: self._items[found],
            RANK: (position + 1).astype(np.int64),
            SCORE: scores[user, position],
            SOURCE: np.array(SOURCES)[self.sources_of(users).numpy()[user]],
        }
        return pd.DataFrame(columns | ({TITLE: self.titles[found]} if titles else {}))

    def recommend_for_items(
        self, item_ids: Sequence[Any], k: int = 10, *, titles: bool = False, allow_unknown: bool = False
    ) -> pd.DataFrame:
        """The best items for a user who is known only by a few items: a user vector is fitted to them (folding in).

        Args:
            item_ids: ids of items that the user likes, the newest last; the model must know at least one of them.
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
        return pd.DataFrame(columns | ({TITLE: self.titles[found]} if titles else {}))

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
        """Indices of ids among the log's users, int64[B]; -1 for one who is not in the log."""
        return torch.as_tensor(self.users.ids.get_indexer(pd.Index(user_ids)))

    def sources_of(self, users: Tensor) -> Tensor:
        """What the lists of users int64[B] (-1: not in the log) are based on, as indices into SOURCES, int64[B]."""
        return self.users.sources[users.clamp(min=0)].where(users >= 0, POPULAR)

    def items_of(self, item_ids: "Sequence[Any] | NDArray[Any] | pd.Index[Any]") -> Tensor:
        """The model's indices of ids, int64[B]; -1 for one that it does not know."""
        return torch.as_tensor(self._items.get_indexer(pd.Index(item_ids)))

    def user_of(self, user_id: Any) -> int:
        """Index of one id, or -1; far quicker than `users_of` for a single id."""
        try:
            return int(self.users.ids.get_loc(user_id))  # type: ignore[arg-type]  # ids are unique, so it is one position
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
        """The best items of one user, who may be known by some more items than the log has.

        Args:
            user: index, or -1. A user with a vector of their own is answered with it.
            items: int64[P], what the user has; any other user is folded in by them and by those in the log. They are
                not recommended.
            k: items to recommend; fewer if fewer are left.

        Returns:
            The source ("model", "items" or "popularity"), items int64[K], best first, and their scores float32[K].

        Raises:
            ModelError: a score is NaN.
        """
        row = torch.tensor([user])
        source = SOURCES[int(self.sources_of(row))]
        folded = source != FROM_MODEL and len(items) > 0
        with torch.inference_mode():
            scores = self.offered(row, items if folded else None)
            scores[0, items] = -torch.inf
            best = top_items(scores, k)[0]
            best = best[best >= 0]
            return FROM_ITEMS if folded else source, best.numpy(), scores[0, best].numpy()

    def offered(self, users: Tensor, more_items: Tensor | None = None) -> Tensor:
        """Scores of all items, float[B, num_items]; -inf marks items that a user must not get.

        Args:
            users: int64[B]; -1: not in the log.
            more_items: int64[P], more of what they have; they are folded in by these as well.
        """
        known = users.clamp(min=0)
        sources = self.sources_of(users)
        scores = self.bundle.model.score_all(self.users.vectors[known].clamp(min=0), self._items_part)
        scores[sources == POPULAR] = self._popularity
        folded = sources == FOLDED
        if more_items is not None:
            folded = torch.ones_like(folded)
        for row in folded.nonzero()[:, 0].tolist():
            scores[row] = self._folded_in(int(users[row]), more_items)
        if self.choice.unseen_only:
            place, seen = self.users.seen.of_users(known)
            own = users[place] >= 0
            scores[place[own], seen[own]] = -torch.inf
        scores[:, self.choice.left_out] = -torch.inf
        return scores

    def _folded_in(self, user: int, more_items: Tensor | None) -> Tensor:
        """Scores of all items for a user with these items, float[num_items]."""
        with torch.inference_mode(mode=False):  # fitting takes gradients
            items = self.users.liked_items(user) if user >= 0 else torch.empty(0, dtype=torch.int64)
            return self.fold_in.scores(items if more_items is None else torch.cat([items, more_items]))


def _titles(bundle: Bundle, log: ServingLog) -> NDArray[Any]:
    """The log's titles of the model's items, and the model's own of items that are not in the log."""
    if log is bundle.log:
        return bundle.titles
    found = index_of(log.item_ids, bundle.item_ids).numpy()
    titles: NDArray[Any] = np.where(found >= 0, log.titles[found], bundle.titles)
    return titles
