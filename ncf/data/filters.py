"""Filters of a log: which rows, users and items stay. They leave one row a pair."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data import TRAIN
from ncf.data.coded import CodedLog, Mask, stable_order
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.ratings import Ratings, Tally
from ncf.data.times import microseconds_of, shown
from ncf.errors import DataError

Repeated: TypeAlias = Literal["last", "first", "sum"]

REASONS: Mapping[Repeated, str] = MappingProxyType(
    {
        "last": "repeated pair (kept the last)",
        "first": "repeated pair (kept the first)",
        "sum": "repeated pair (ratings summed)",
    }
)
SPLITS = ("train", "validation", "test")
OF_TIME = ("as_of", "users_active_since", "items_active_since")
AGAINST_A_GIVEN_SPLIT = (*OF_TIME, "min_per_user", "min_per_item")


@dataclass(frozen=True)
class FilteredLog:
    """What filters left of a log.

    Attributes:
        log: one row a pair.
        titles: item_id -> title (str), for the items that have one; may be empty.
    """

    log: CodedLog
    titles: "pd.Series[str]"


def filter_ratings(
    ratings: Ratings,
    filters: FilterConfig,
    feedback: FeedbackConfig = FeedbackConfig(),  # noqa: B008 (frozen)
) -> CodedLog:
    """Leave out rows, in this order, each stage seeing what the one before has left.

    as_of, repeated pairs, the threshold of implicit feedback, users_active_since, items_active_since, the k-core of
    min_per_user and min_per_item, max_users. A log with its own split keeps it: repeated pairs are merged within a
    split, the threshold and max_users apply to all splits, and the other filters are refused.

    Args:
        ratings: the checked log.
        filters: which rows are left out.
        feedback: what a rating means; ratings outside of its scale are refused (with repeated="sum": the sums).

    Returns:
        One row a pair; the tally counts what was left out and why. Left-out pairs of users who have the items all the
        same are in `left_out`; those of as_of and max_users are not, as if the log did not have them.

    Raises:
        DataError: a filter can't be applied to this log, a rating is outside of the scale, a pair is in two splits of
            the log's own, or no row is left.
    """
    refuse_impossible(filters, has_times=ratings.has_times, has_splits=ratings.splits is not None)
    log, reasons = filter_within_users(CodedLog.of(ratings), filters, feedback), reasons_of(filters, feedback)
    if filters.items_active_since is not None:
        active = np.zeros(len(log.item_ids), dtype=bool)
        active[log.items[log.times >= microseconds_of(filters.items_active_since)]] = True
        log = log.keep(active[log.items], reasons["items_active_since"], still_seen=True)
    log = _k_core(log, filters.min_per_user, filters.min_per_item)
    if filters.max_users is not None:
        first = np.cumsum(log.user_counts() > 0) <= filters.max_users
        log = log.keep(first[log.users], reasons["max_users"])
        left_out = ((users, items, liked, first[users]) for users, items, liked in log.left_out)
        log = replace(log, left_out=tuple((users[rows], items[rows], liked) for users, items, liked, rows in left_out))
    if not len(log):
        raise nothing_left(log.tally)
    return log


def reasons_of(filters: FilterConfig, feedback: FeedbackConfig) -> dict[str, str]:
    """What the tally calls the rows that each filter leaves out; the k-core's is `core_reason`."""
    moments = {name: time for name in OF_TIME if (time := getattr(filters, name)) is not None}
    words = {
        "as_of": "not before",
        "users_active_since": "users without an interaction since",
        "items_active_since": "items without an interaction since",
    }
    reasons = {name: f"{words[name]} {shown(time)}" for name, time in moments.items()}
    if feedback.threshold is not None:
        reasons["threshold"] = f"rating below {feedback.threshold:g}"
    return reasons | {"repeated": REASONS[filters.repeated], "max_users": "beyond max_users"}


def filter_within_users(log: CodedLog, filters: FilterConfig, feedback: FeedbackConfig) -> CodedLog:
    """Apply the filters that look at one user's rows at a time, as_of to users_active_since.

    Returns:
        The log that is left, perhaps without any row.

    Raises:
        DataError: a rating is outside of the scale, or a pair is in two splits of the log's own.
    """
    reasons = reasons_of(filters, feedback)
    if filters.as_of is not None:
        log = log.keep(log.times < microseconds_of(filters.as_of), reasons["as_of"])
    if filters.repeated == "sum":
        log = _merge_repeated(log, filters.repeated)
        _refuse_outside_scale(log, feedback.scale)
    else:
        _refuse_outside_scale(log, feedback.scale)
        log = _merge_repeated(log, filters.repeated)
    if feedback.threshold is not None:
        seen = feedback.below_threshold == "seen"
        log = _apply_threshold(log, feedback.threshold, reasons["threshold"], still_seen=seen)
    if filters.users_active_since is not None:
        active = np.zeros(len(log.user_ids), dtype=bool)
        active[log.users[log.times >= microseconds_of(filters.users_active_since)]] = True
        log = log.keep(active[log.users], reasons["users_active_since"], still_seen=True)
    return log


def refuse_impossible(filters: FilterConfig, *, has_times: bool, has_splits: bool) -> None:
    """Refuse filters that need times which the log lacks, or that would change a split of the log's own.

    Raises:
        DataError: there is such a filter.
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
        if name in used and has_splits:
            raise DataError(
                f"the log brings its own split, which data.filters.{name} would change",
                got=getattr(filters, name) if name.startswith("min") else shown(getattr(filters, name)),
                allowed="the filters repeated and max_users",
                do="leave out this filter, or give the log as one and have it split here",
            )


def _refuse_outside_scale(log: CodedLog, scale: tuple[float, float] | None) -> None:
    """Refuse ratings below the lowest or above the highest of the scale, if there is one."""
    if scale is None:
        return
    outside = np.flatnonzero((log.ratings < scale[0]) | (log.ratings > scale[1]))
    if len(outside):
        row = outside[0]
        pair = log.user_ids[log.users[row]], log.item_ids[log.items[row]]
        raise outside_scale(*pair, float(log.ratings[row]), scale, len(outside))


def outside_scale(user: object, item: object, rating: float, scale: tuple[float, float], rows: int) -> DataError:
    """The error of a rating below the lowest or above the highest of the scale, and how many such there are."""
    return DataError(
        f"the rating of user {user!s} for item {item!s} is outside of the scale",
        got=rating,
        allowed=f"{scale[0]:g} to {scale[1]:g}",
        do=f"correct data.feedback.scale, or fix or remove the {rows:,} such ratings",
    )


def _merge_repeated(log: CodedLog, repeated: Repeated) -> CodedLog:
    """One row for each pair.

    Args:
        log: any.
        repeated: the newest row stays, or the oldest, or the newest with the sum of all ratings; of rows with equal
            times the later in the log is the newer.

    Raises:
        DataError: a pair is in two splits of the log's own.
    """
    pairs, order = stable_order(log.users.astype(np.int64) * len(log.item_ids) + log.items)
    again = pairs[1:] == pairs[:-1]
    if not again.any():
        return log
    if log.splits is not None:
        _refuse_leaks(log, log.splits, order, again)
    first, last = np.append(True, ~again), np.append(~again, True)
    if repeated == "sum":
        ratings = log.ratings.copy()
        # one after the other, as any engine can: reduceat adds in an order of its own, which the last digits show
        ratings[order[last]] = np.bincount(np.cumsum(first) - 1, weights=log.ratings[order])
        log = replace(log, ratings=ratings)
    kept = np.zeros(len(log), dtype=bool)
    kept[order[first if repeated == "first" else last]] = True
    tally = replace(log.tally, repeated_pairs=int(np.count_nonzero(again)))
    return replace(log, tally=tally).keep(kept, REASONS[repeated])


def _refuse_leaks(log: CodedLog, splits: NDArray[np.int8], order: NDArray[np.int64], again: Mask) -> None:
    """Refuse a pair in two splits: what is tested must not have been learned."""
    ordered = splits[order]
    leaks = np.flatnonzero(again & (ordered[1:] != ordered[:-1]))
    if not len(leaks):
        return
    row, next_row = order[leaks[0]], order[leaks[0] + 1]
    user, item = log.user_ids[log.users[row]], log.item_ids[log.items[row]]
    others = f", as the other {len(leaks) - 1:,} such pairs" if len(leaks) > 1 else ""
    raise DataError(
        f"user {user!s} has item {item!s} in two of the splits that the log brings",
        got=" and ".join(SPLITS[split] for split in sorted({splits[row], splits[next_row]})),
        allowed="a pair in one split",
        do=f"take it out of one of them{others}",
    )


def _apply_threshold(log: CodedLog, threshold: float, reason: str, *, still_seen: bool) -> CodedLog:
    """The rows that count as interactions; the others are seen, if that is wanted.

    In a split of the log's own a user may lose all of train by it, and then is not evaluated either.
    """
    kept = log.keep(log.ratings >= threshold, reason, still_seen=still_seen, liked=False)
    if log.splits is None or kept.splits is None:
        return kept
    lost = _trained_users(log, log.splits) & ~_trained_users(kept, kept.splits)
    return kept.keep(~lost[kept.users], "held out of users with nothing left in train", still_seen=True)


def _trained_users(log: CodedLog, splits: NDArray[np.int8]) -> Mask:
    """Which users have a row in train: bool[len(user_ids)]."""
    trained = np.zeros(len(log.user_ids), dtype=bool)
    trained[log.users[splits == TRAIN]] = True
    return trained


def _k_core(log: CodedLog, min_per_user: int, min_per_item: int) -> CodedLog:
    """The largest part of the log in which every user and every item has enough interactions."""
    if min_per_user == min_per_item == 1:
        return log
    per_user, per_item = log.user_counts(), log.item_counts()
    if min_per_user == 1 or min_per_item == 1:  # leaving out one does not take another one along
        stays = (per_user >= min_per_user)[log.users] & (per_item >= min_per_item)[log.items]
        return log.keep(stays, core_reason(min_per_user, min_per_item, 1), still_seen=True)
    users, items, rounds = log.users, log.items, 0
    rows = np.arange(len(log), dtype=np.int32)  # those that are left
    while not (stays := (per_user >= min_per_user)[users] & (per_item >= min_per_item)[items]).all():
        rounds += 1
        gone = ~stays  # fewer rows go than stay
        per_user = per_user - np.bincount(users[gone], minlength=len(per_user))
        per_item = per_item - np.bincount(items[gone], minlength=len(per_item))
        rows, users, items = rows[stays], users[stays], items[stays]
    kept = np.zeros(len(log), dtype=bool)
    kept[rows] = True
    return log.keep(kept, core_reason(min_per_user, min_per_item, rounds), still_seen=True)


def core_reason(min_per_user: int, min_per_item: int, rounds: int) -> str:
    """What the tally calls the rows outside of the k-core, which took so many rounds."""
    few_users, few_items = f"users with fewer than {min_per_user}", f"items with fewer than {min_per_item}"
    if min_per_item == 1:
        return f"{few_users} interactions"
    if min_per_user == 1:
        return f"{few_items} interactions"
    return f"{few_users} interactions or {few_items} (k-core, {rounds} round{'s' * (rounds != 1)})"


def nothing_left(tally: Tally) -> DataError:
    """The error of a log of which the filters left nothing."""
    *others, (reason, rows) = tally.dropped
    before = "; ".join(f"{count:,} as {why!r}" for why, count in others)
    return DataError(
        f"no interaction is left; the last {rows:,} were left out as",
        got=reason,
        do="ask for less, or use a longer log" + (f" (left out before: {before})" if before else ""),
    )
