"""Filters for which the whole log must be looked at; it may be in one piece or in many."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Literal, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, Counts, Mask, Round, peel, stable_order
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.faults import Problem, first_problem
from ncf.data.interactions import NOTHING_IN_TRAIN, below, counted, outside_scale
from ncf.data.ratings import Ratings
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


OF_TIME = ("as_of", "users_active_since", "items_active_since")
AGAINST_A_GIVEN_SPLIT = (*OF_TIME, "min_per_user", "min_per_item")


def filter_ratings(
    ratings: Ratings,
    filters: FilterConfig,
    feedback: FeedbackConfig = FeedbackConfig(),  # noqa: B008 (frozen)
) -> CodedLog:
    """Leave out rows, in this order, each stage seeing what the one before has left.

    as_of, repeated pairs, the threshold of implicit feedback, users_active_since, items_active_since, the k-core of
    min_per_user and min_per_item, max_users. A split of the source's own keeps its parts: repeated pairs are merged
    within a part, the threshold and max_users apply to all parts, and the other filters are refused.

    Args:
        ratings: the checked log.
        filters: which rows are left out.
        feedback: what a rating means; ratings outside of its scale are refused (with repeated="sum": the sums).

    Returns:
        One row a pair; the tally counts what was left out and why.

    Raises:
        DataError: a filter can't be applied to this log, a rating is outside of the scale, a pair is in two parts of
            a given split, or no row is left.
    """
    refuse_impossible(filters, has_times=ratings.has_times, brings_split=ratings.parts is not None)
    log, problems = filter_within_users(CodedLog.of(ratings), filters, feedback)
    if problem := first_problem(problems):
        raise problem.error(log.user_ids, log.item_ids, feedback.scale)
    return filter_across_users(log, filters)


def filter_within_users(
    log: CodedLog, filters: FilterConfig, feedback: FeedbackConfig
) -> tuple[CodedLog, list[Problem]]:
    """The filters that look at one user's rows at a time: as_of to users_active_since.

    Returns:
        The log that is left, perhaps without any row, and what is wrong with it.
    """
    problems = []
    if filters.as_of is not None:
        log = log.keep(log.times < microseconds_of(filters.as_of), _not_before(filters.as_of))
    if filters.repeated != "sum":
        problems += outside_scale(log, feedback)
    log, leaks = merge_repeated(log, filters.repeated)
    problems += leaks
    if filters.repeated == "sum":
        problems += outside_scale(log, feedback)
    log = counted(log, feedback)
    if filters.users_active_since is not None:
        active = np.zeros(len(log.user_ids), dtype=bool)
        active[log.users[log.times >= microseconds_of(filters.users_active_since)]] = True
        log = log.keep_users(active, _inactive_users(filters.users_active_since))
    return log, problems


def reasons_within_users(filters: FilterConfig, feedback: FeedbackConfig) -> list[str]:
    """What `filter_within_users` may count rows under, in its order."""
    return [
        *([] if filters.as_of is None else [_not_before(filters.as_of)]),
        REASONS[filters.repeated],
        *([] if feedback.threshold is None else [below(feedback.threshold), NOTHING_IN_TRAIN]),
        *([] if filters.users_active_since is None else [_inactive_users(filters.users_active_since)]),
    ]


def refuse_impossible(filters: FilterConfig, *, has_times: bool, brings_split: bool) -> None:
    """Refuse filters that this log does not allow.

    Raises:
        DataError: one needs times, or would change a split of the log's own.
    """
    default = FilterConfig()
    used = {name for name in FilterConfig.model_fields if getattr(filters, name) != getattr(default, name)}
    for name in OF_TIME:
        if name in used and not has_times:
            raise DataError(
                f"the log has no times, which data.filters.{name} needs",
                got=shown(getattr(filters, name)),
                do="name the column with the times, or leave out this filter",
            )
    for name in AGAINST_A_GIVEN_SPLIT:
        if name in used and brings_split:
            raise DataError(
                f"the log brings its own split, which data.filters.{name} would change",
                got=getattr(filters, name) if name.startswith("min") else shown(getattr(filters, name)),
                allowed="the filters repeated and max_users",
                do="leave out this filter, or give the log as one and have it split here",
            )


def _not_before(time: datetime) -> str:
    return f"not before {shown(time)}"


def _inactive_users(since: datetime) -> str:
    return f"users without an interaction since {shown(since)}"
