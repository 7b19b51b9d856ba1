"""The k-core: users and items with enough interactions among each other."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Round: TypeAlias = Callable[[Mask], Counts]  # items that stay -> rows that went, of each item


def peel(a_round: Round, per_item: Counts, min_per_item: int) -> int:
    """Leave out rows of users and of items with too few, again and again, until all have enough.

    Args:
        a_round: leaves out the rows of users with too few at that moment, and of items other than those that stay.
        per_item: int64[number of items]: rows of each.
        min_per_item: rows that an item needs.

    Returns:
        Rounds in which something went.
    """
    rounds = 0
    while (gone := a_round(per_item >= min_per_item)).any():
        rounds += 1
        per_item = per_item - gone
    return rounds


class Core:
    """Rows of whole users that have not been left out so far.

    Args:
        users: codes[N].
        items: codes[N].
        per_user: int64[number of users]: rows of each.
        num_items: number of items.
        min_per_user: rows that a user needs.
    """

    def __init__(
        self, users: NDArray[np.int32], items: NDArray[np.int32], per_user: Counts, num_items: int, min_per_user: int
    ) -> None:
        self._size = len(users)
        self._rows: Any = slice(None)  # those that are left; all of them need no list
        self._users, self._items, self._per_user = users, items, per_user
        self._num_items, self._min_per_user = num_items, min_per_user

    def round(self, items_stay: Mask) -> Counts:
        """One round of `peel`."""
        stays = (self._per_user >= self._min_per_user)[self._users] & items_stay[self._items]
        gone = ~stays  # fewer rows go than stay
        per_item = np.bincount(self._items[gone], minlength=self._num_items)
        if gone.any():
            self._per_user = self._per_user - np.bincount(self._users[gone], minlength=len(self._per_user))
            self._rows = np.flatnonzero(stays) if isinstance(self._rows, slice) else self._rows[stays]
            self._users, self._items = self._users[stays], self._items[stays]
        return per_item

    def kept(self) -> Mask:
        """bool[N]: which rows are left."""
        kept = np.zeros(self._size, dtype=bool)
        kept[self._rows] = True
        return kept
