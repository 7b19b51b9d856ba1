"""Repeated pairs: of several rows of one user and one item, one stays."""

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, Mask, stable_order
from ncf.errors import DataError

Repeated: TypeAlias = Literal["last", "first", "sum"]

REASONS: dict[Repeated, str] = {
    "last": "repeated pair (kept the last)",
    "first": "repeated pair (kept the first)",
    "sum": "repeated pair (ratings summed)",
}
PARTS = ("train", "validation", "test")


def merge_repeated(log: CodedLog, repeated: Repeated) -> CodedLog:
    """One row for each pair.

    Args:
        log: any.
        repeated: the newest row stays, or the oldest, or the newest with the sum of all ratings; of rows of one time
            the later in the log is the newer.

    Raises:
        DataError: a split of the source's own has one pair in two parts.
    """
    pairs, order = stable_order(log.users.astype(np.int64) * len(log.item_ids) + log.items)
    again = pairs[1:] == pairs[:-1]
    if not again.any():
        return log
    _refuse_leak(log, order, again)
    first, last = np.append(True, ~again), np.append(~again, True)
    if repeated == "sum":
        ratings = log.ratings.copy()
        ratings[order[last]] = np.add.reduceat(log.ratings[order], np.flatnonzero(first))
        log = replace(log, ratings=ratings)
    kept = np.zeros(len(log), dtype=bool)
    kept[order[first if repeated == "first" else last]] = True
    counted = replace(log.tally, repeated_pairs=int(np.count_nonzero(again)))
    return replace(log, tally=counted).keep(kept, REASONS[repeated])


def _refuse_leak(log: CodedLog, order: NDArray[np.int64], again: Mask) -> None:
    """What is tested must not have been learned."""
    if log.parts is None:
        return
    parts = log.parts[order]
    leaks = np.flatnonzero(again & (parts[1:] != parts[:-1]))
    if len(leaks):
        row, next_row = order[leaks[0]], order[leaks[0] + 1]
        user, item = log.user_ids[log.users[row]], log.item_ids[log.items[row]]
        raise DataError(
            f"user {user!s} has item {item!s} in two parts of the split that the log brings",
            got=" and ".join(sorted({PARTS[log.parts[row]], PARTS[log.parts[next_row]]}, key=PARTS.index)),
            allowed="a pair in one part",
            do=f"take it out of one of them, as the other {len(leaks) - 1:,} such pairs"
            if len(leaks) > 1
            else "take it out of one of them",
        )
