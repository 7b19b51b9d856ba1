"""The k-core: users and items with enough interactions among each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, Mask


def k_core(log: CodedLog, min_per_user: int, min_per_item: int) -> CodedLog:
    """The largest part of the log in which every user and every item has enough interactions.

    Args:
        log: without repeated pairs, which would count twice.
        min_per_user: rows that a user needs.
        min_per_item: rows that an item needs.

    Raises:
        DataError: there is no such part.
    """
    if min_per_user == min_per_item == 1:
        return log
    few_users, few_items = f"users with fewer than {min_per_user}", f"items with fewer than {min_per_item}"
    if min_per_item == 1:  # a user who is left out can't take another one along
        return log.keep(log.user_counts()[log.users] >= min_per_user, f"{few_users} interactions")
    if min_per_user == 1:
        return log.keep(log.item_counts()[log.items] >= min_per_item, f"{few_items} interactions")
    kept, rounds = _fixed_point(log, min_per_user, min_per_item)
    return log.keep(kept, f"{few_users} interactions or {few_items} (k-core, {rounds} round{'s' * (rounds != 1)})")


def _fixed_point(log: CodedLog, min_per_user: int, min_per_item: int) -> tuple[Mask, int]:
    """Which rows stay, and after how many rounds nothing changed any more."""
    rows: Any = slice(None)  # those that are left; all of them need no list
    users, items = log.users, log.items
    per_user, per_item = log.user_counts(), log.item_counts()
    rounds = 0
    while True:
        stays = (per_user >= min_per_user)[users] & (per_item >= min_per_item)[items]
        if stays.all():
            break
        rounds += 1
        per_user = per_user - _counts(users[~stays], len(per_user))  # fewer rows go than stay
        per_item = per_item - _counts(items[~stays], len(per_item))
        rows = np.flatnonzero(stays) if isinstance(rows, slice) else rows[stays]
        users, items = users[stays], items[stays]
    kept = np.zeros(len(log), dtype=bool)
    kept[rows] = True
    return kept, rounds


def _counts(codes: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    return np.bincount(codes, minlength=size)
