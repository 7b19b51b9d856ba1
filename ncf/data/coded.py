"""A log as codes: each id is replaced by its place among the sorted ids."""

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data import ITEM_ID, RATING, TIMESTAMP, USER_ID
from ncf.data.ratings import NOTHING_READ, Ratings, Tally

Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int32]  # half the memory of int64, and enough for 2 billion ids

ROWS_FOR_TORCH = 1_000_000  # below it torch is not worth its import


@dataclass(frozen=True)
class CodedLog:
    """Rows of a log, sorted by user, then by time, then by their place in the log.

    Attributes:
        user_ids, item_ids: outside ids, sorted; position = code. Some may have no rows left.
        users, items: int32[N] codes.
        ratings: float64[N].
        times: int64[N] microseconds since the epoch; 0 without times.
        has_times: whether the log has times at all.
        splits: int8[N], TRAIN, VALIDATION or TEST, for a source with its own split; else None.
        candidates: int32[M, 2] codes of user and item, for a source with its own candidates; else None.
        left_out: int32 codes of users and items, of the pairs that filters left out though the users have the items;
            and whether these would have counted as interactions.
        tally: what became of the rows so far.
    """

    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    users: Codes
    items: Codes
    ratings: NDArray[np.float64]
    times: NDArray[np.int64]
    has_times: bool = True
    splits: NDArray[np.int8] | None = None
    candidates: Codes | None = None
    left_out: tuple[tuple[Codes, Codes, bool], ...] = ()
    tally: Tally = NOTHING_READ

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        """Look up the ids and sort the rows. An item may occur in the candidates alone."""
        frame, offered = ratings.frame, ratings.candidates
        user_ids, users, offered_users = _coded(frame[USER_ID], None if offered is None else offered[USER_ID])
        item_ids, items, offered_items = _coded(frame[ITEM_ID], None if offered is None else offered[ITEM_ID])
        times = frame[TIMESTAMP].to_numpy()
        order = _by_user_and_time(users, times)
        return cls(
            user_ids,
            item_ids,
            users[order],
            items[order],
            frame[RATING].to_numpy()[order],
            times[order],
            ratings.has_times,
            None if ratings.splits is None else ratings.splits[order],
            None if offered is None else np.stack([offered_users, offered_items], axis=1),
            tally=ratings.tally,
        )

    def __len__(self) -> int:
        return len(self.users)

    def user_counts(self) -> Counts:
        """int64[len(user_ids)]: rows of each user."""
        return np.bincount(self.users, minlength=len(self.user_ids))

    def item_counts(self) -> Counts:
        """int64[len(item_ids)]: rows of each item."""
        return np.bincount(self.items, minlength=len(self.item_ids))

    def keep(self, kept: Mask, reason: str, *, still_seen: bool = False, liked: bool = True) -> Self:
        """The log with these rows alone, perhaps none, the others counted under the reason: bool[N].

        Args:
            kept: bool[N].
            reason: for the tally.
            still_seen: whether the others are remembered in `left_out`: no user is recommended what they have.
            liked: whether these count as interactions: their users are known by them.
        """
        dropped = len(kept) - int(np.count_nonzero(kept))
        if dropped == 0:
            return self
        left_out = ((self.users[~kept], self.items[~kept], liked),) if still_seen else ()
        return replace(
            self,
            users=self.users[kept],
            items=self.items[kept],
            ratings=self.ratings[kept],
            times=self.times[kept],
            splits=None if self.splits is None else self.splits[kept],
            left_out=(*self.left_out, *left_out),
            tally=self.tally.drop(reason, dropped),
        )


def stable_order(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Integers sorted, and where each came from; equal ones stay in their order.

    torch sorts integers by radix, which numpy does for those of 16 bits only.
    """
    if len(values) < ROWS_FOR_TORCH:
        order = np.argsort(values, kind="stable")
        return values[order], order
    import torch

    writable = values if values.flags.writeable else values.copy()  # a frame's own are not, and torch warns
    ordered, places = torch.sort(torch.from_numpy(writable), stable=True)
    return ordered.numpy(), places.numpy()


def _by_user_and_time(users: Codes, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by user, then by time, then by place."""
    if (times[1:] >= times[:-1]).all():  # a log is mostly written in the order of time, and some have none
        return stable_order(users)[1]
    _, by_time = stable_order(times)
    return by_time[stable_order(users[by_time])[1]]


def _coded(ids: "pd.Series[Any]", offered: "pd.Series[Any] | None") -> tuple[NDArray[Any], Codes, Codes]:
    """Sorted unique ids, the codes of a column, and those of the candidates' column."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        ids = ids.cat.reorder_categories(ids.cat.categories.sort_values())  # theirs is the order of a dictionary
    both = ids if offered is None else pd.concat([ids, offered], ignore_index=True)
    codes, unique = pd.factorize(both, sort=True)
    narrow = codes.astype(np.int32)
    return np.asarray(unique), narrow[: len(ids)], narrow[len(ids) :]
