"""Filters for which the whole log must be looked at; it may be in one piece or in many."""

from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import numpy as np

from ncf.data.config import FilterConfig
from ncf.data.kcore import Counts, Mask, Round, peel
from ncf.data.tally import Tally
from ncf.data.times import microseconds_of, shown
from ncf.errors import DataError


class Log(Protocol):
    """What these filters ask of a log without repeated pairs; see `CodedLog`, the one in one piece."""

    @property
    def tally(self) -> Tally:
        """What became of the rows so far."""

    def __len__(self) -> int: ...

    def user_counts(self) -> Counts:
        """int64[number of users]: rows of each user."""

    def item_counts(self) -> Counts:
        """int64[number of items]: rows of each item."""

    def items_since(self, time: int) -> Mask:
        """bool[number of items]: items with a row at this time or later."""

    def keep_users(self, stays: Mask, reason: str) -> Self:
        """The log with these users alone."""

    def keep_items(self, stays: Mask, reason: str) -> Self:
        """The log with these items alone."""

    def peeled(self, min_per_user: int, rounds: Callable[[Round], str]) -> Self:
        """The log after rounds of leaving out users with too few rows, under the reason that `rounds` gives."""


AnyLog = TypeVar("AnyLog", bound=Log)


def filter_across_users(log: AnyLog, filters: FilterConfig) -> AnyLog:
    """items_active_since, the k-core and max_users, in this order.

    Args:
        log: its users have been filtered by what is in their own rows.
        filters: which rows are left out.

    Raises:
        DataError: no row is left, by these filters or by those before.
    """
    if filters.items_active_since is not None:
        active = log.items_since(microseconds_of(filters.items_active_since))
        log = log.keep_items(active, f"items without an interaction since {shown(filters.items_active_since)}")
    log = _k_core(log, filters.min_per_user, filters.min_per_item)
    if filters.max_users is not None:
        there = log.user_counts() > 0
        log = log.keep_users(np.cumsum(there) <= filters.max_users, "beyond max_users")
    if not len(log):
        *others, (reason, rows) = log.tally.dropped
        before = "; ".join(f"{rows:,} as {why!r}" for why, rows in others)
        raise DataError(
            f"no interaction is left; the last {rows:,} were left out as",
            got=reason,
            do="ask for less, or use a longer log" + (f" (left out before: {before})" if before else ""),
        )
    return log


def _k_core(log: AnyLog, min_per_user: int, min_per_item: int) -> AnyLog:
    """The largest part of the log in which every user and every item has enough interactions."""
    few_users, few_items = f"users with fewer than {min_per_user}", f"items with fewer than {min_per_item}"
    if min_per_user == min_per_item == 1:
        return log
    if min_per_item == 1:  # a user who is left out can't take another one along
        return log.keep_users(log.user_counts() >= min_per_user, f"{few_users} interactions")
    per_item = log.item_counts()
    if min_per_user == 1:
        return log.keep_items(per_item >= min_per_item, f"{few_items} interactions")

    def rounds(a_round: Round) -> str:
        number = peel(a_round, per_item, min_per_item)
        return f"{few_users} interactions or {few_items} (k-core, {number} round{'s' * (number != 1)})"

    return log.peeled(min_per_user, rounds)
