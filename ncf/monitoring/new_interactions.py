"""What a log contains that a model has not seen, and what it no longer contains."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from ncf.data import ITEM_ID, USER_ID, Ids, Indices
from ncf.data.coded import CodedLog
from ncf.data.ids import kind_of
from ncf.data.times import Microseconds
from ncf.serving.bundle import Bundle


@dataclass(frozen=True)
class NewInteractions:
    """The pairs of a log that a model has not seen, sorted by time for each user.

    Attributes:
        users: int64[N], the model's index of the user; unknown users are numbered from `num_users`.
        items: int64[N], the same for items.
        times: int64[N], microseconds since 1970; None without times.
        num_users, num_items: numbers that the model knows.
        new_users, new_items: numbers that it does not know.
        known_pairs: pairs that it has seen, in train or in its holdouts.
        lost_pairs: known pairs that are no longer in the log.
        retyped: columns whose ids have another type than the model's, such as "user_id: int, now str".
    """

    users: Indices
    items: Indices
    times: Microseconds | None
    num_users: int
    num_items: int
    new_users: int
    new_items: int
    known_pairs: int
    lost_pairs: int
    retyped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.users)

    @property
    def item_counts(self) -> Indices:
        """int64[num_items + new_items]: new pairs of each item."""
        return np.bincount(self.items, minlength=self.num_items + self.new_items)

    def since(self, time: int | None) -> NDArray[np.bool_]:
        """bool[N]: the pairs newer than a time; all pairs if the time or the log's times are unknown."""
        if time is None or self.times is None:
            return np.ones(len(self), dtype=bool)
        return self.times > time


def find_new_interactions(log: CodedLog, bundle: Bundle) -> NewInteractions:
    """Compare a log, filtered like the model's and with one row per pair, with the pairs that a model has seen."""
    num_users, num_items = len(bundle.user_ids), len(bundle.item_ids)
    user_of = _known(log.user_ids, bundle.user_ids)
    item_of = _known(log.item_ids, bundle.item_ids)
    users, items = user_of[log.users], item_of[log.items]
    pairs, seen = users * num_items + items, _seen_pairs(bundle)
    known = (users >= 0) & (items >= 0) & np.isin(pairs, seen)
    new = ~known
    log_users, log_items = log.users[new], log.items[new]
    new_users, new_items = np.unique(log_users[users[new] < 0]), np.unique(log_items[items[new] < 0])
    user_of[new_users] = num_users + np.arange(len(new_users))
    item_of[new_items] = num_items + np.arange(len(new_items))
    return NewInteractions(
        user_of[log_users],
        item_of[log_items],
        log.times[new] if log.has_times else None,
        num_users,
        num_items,
        len(new_users),
        len(new_items),
        len(seen),
        len(seen) - int(np.count_nonzero(known)),
        _retyped(log, bundle),
    )


def _known(ids: Ids, theirs: Ids) -> Indices:
    """The model's index of each id; -1 for one that it does not know."""
    if kind_of(ids) != kind_of(theirs):
        return np.full(len(ids), -1, dtype=np.int64)
    found: Indices = pd.Index(theirs).get_indexer(pd.Index(ids)).astype(np.int64)
    return found


def _seen_pairs(bundle: Bundle) -> Indices:
    """The distinct pairs that the model has seen, as user * num_items + item."""
    users = np.repeat(np.arange(len(bundle.user_ids)), bundle.seen.counts.numpy())
    pairs: Indices = np.unique(users * len(bundle.item_ids) + bundle.seen.items.numpy())
    return pairs


def _retyped(log: CodedLog, bundle: Bundle) -> tuple[str, ...]:
    kinds = {
        USER_ID: (kind_of(bundle.user_ids), kind_of(log.user_ids)),
        ITEM_ID: (kind_of(bundle.item_ids), kind_of(log.item_ids)),
    }
    return tuple(f"{column}: {was}, now {now}" for column, (was, now) in kinds.items() if was != now)


class Newcomers(BaseModel):
    """New users and items, and their shares of the new interactions.

    Attributes:
        users, items: numbers that the model does not know.
        user_share: share of interactions by unknown users, who get popular items.
        item_share: share of interactions with unknown items, which are never recommended.
        either_share: share of interactions with an unknown user or item, about which the model can say nothing.
    """

    users: int
    items: int
    user_share: float
    item_share: float
    either_share: float


def newcomers(new: NewInteractions) -> Newcomers:
    """Count new users and items; the shares are 0 if nothing is new."""
    user, item = new.users >= new.num_users, new.items >= new.num_items
    unknown = {"user_share": user, "item_share": item, "either_share": user | item}
    shares = {name: np.count_nonzero(pairs) / max(1, len(new)) for name, pairs in unknown.items()}
    return Newcomers(users=new.new_users, items=new.new_items, **shares)
