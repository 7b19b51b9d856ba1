"""Repeated pairs: of several rows of one user and one item, one stays."""

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, stable_order
from ncf.data.kcore import Mask
from ncf.data.problems import Problem

Repeated: TypeAlias = Literal["last", "first", "sum"]

REASONS: dict[Repeated, str] = {
    "last": "repeated pair (kept the last)",
    "first": "repeated pair (kept the first)",
    "sum": "repeated pair (ratings summed)",
}
PARTS = ("train", "validation", "test")


def merge_repeated(log: CodedLog, repeated: Repeated) -> tuple[CodedLog, list[Problem]]:
    """One row for each pair, and the pairs that a split of the source's own has in two parts.

    Args:
        log: any.
        repeated: the newest row stays, or the oldest, or the newest with the sum of all ratings; of rows of one time
            the later in the log is the newer.
    """
    pairs, order = stable_order(log.users.astype(np.int64) * len(log.item_ids) + log.items)
    again = pairs[1:] == pairs[:-1]
    if not again.any():
        return log, []
    leaks = _leaks(log, order, again)
    first, last = np.append(True, ~again), np.append(~again, True)
    if repeated == "sum":
        ratings = log.ratings.copy()
        ratings[order[last]] = np.add.reduceat(log.ratings[order], np.flatnonzero(first))
        log = replace(log, ratings=ratings)
    kept = np.zeros(len(log), dtype=bool)
    kept[order[first if repeated == "first" else last]] = True
    counted = replace(log.tally, repeated_pairs=int(np.count_nonzero(again)))
    return replace(log, tally=counted).keep(kept, REASONS[repeated]), leaks


def _leaks(log: CodedLog, order: NDArray[np.int64], again: Mask) -> list[Problem]:
    """What is tested must not have been learned."""
    if log.parts is None:
        return []
    parts = log.parts[order]
    leaks = np.flatnonzero(again & (parts[1:] != parts[:-1]))
    if not len(leaks):
        return []
    row, next_row = order[leaks[0]], order[leaks[0] + 1]
    both = " and ".join(sorted({PARTS[log.parts[row]], PARTS[log.parts[next_row]]}, key=PARTS.index))
    return [Problem("leak", int(log.users[row]), int(log.items[row]), both, len(leaks))]
