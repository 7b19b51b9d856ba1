"""Which rows of a log are left out: the settings of `FilterConfig`, in their order."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, Codes
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.feedback import counted, refuse_outside_scale
from ncf.data.kcore import k_core
from ncf.data.ratings import Ratings
from ncf.data.repeated import merge_repeated
from ncf.data.times import microseconds_of
from ncf.errors import DataError

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
        feedback: what a rating means; ratings outside of its scale are refused, sums of repeated pairs when summed.

    Returns:
        One row a pair; the tally counts what was left out and why.

    Raises:
        DataError: a filter can't be applied to this log, a rating is outside of the scale, a pair is in two parts of
            a given split, or no row is left.
    """
    _refuse_impossible(ratings, filters)
    log = CodedLog.of(ratings)
    if filters.as_of is not None:
        log = log.keep(log.times < microseconds_of(filters.as_of), f"not before {_text(filters.as_of)}")
    if filters.repeated != "sum":
        refuse_outside_scale(log, feedback)
    log = merge_repeated(log, filters.repeated)
    if filters.repeated == "sum":
        refuse_outside_scale(log, feedback)
    log = counted(log, feedback)
    log = _active_since(log, log.users, "users", filters.users_active_since)
    log = _active_since(log, log.items, "items", filters.items_active_since)
    log = k_core(log, filters.min_per_user, filters.min_per_item)
    return log if filters.max_users is None else _first_users(log, filters.max_users)


def _refuse_impossible(ratings: Ratings, filters: FilterConfig) -> None:
    default = FilterConfig()
    used = {name for name in FilterConfig.model_fields if getattr(filters, name) != getattr(default, name)}
    for name in OF_TIME:
        if name in used and not ratings.has_times:
            raise DataError(
                f"the log has no times, which data.filters.{name} needs",
                got=_text(getattr(filters, name)),
                do="name the column with the times, or leave out this filter",
            )
    for name in AGAINST_A_GIVEN_SPLIT:
        if name in used and ratings.parts is not None:
            raise DataError(
                f"the log brings its own split, which data.filters.{name} would change",
                got=getattr(filters, name) if name.startswith("min") else _text(getattr(filters, name)),
                allowed="the filters repeated and max_users",
                do="leave out this filter, or give the log as one and have it split here",
            )


def _active_since(log: CodedLog, codes: Codes, who: str, since: datetime | None) -> CodedLog:
    """The log without the users, or items, whose newest row is before a time."""
    if since is None:
        return log
    active = np.zeros(int(codes.max()) + 1, dtype=bool)
    active[codes[log.times >= microseconds_of(since)]] = True
    return log.keep(active[codes], f"{who} without an interaction since {_text(since)}")


def _first_users(log: CodedLog, max_users: int) -> CodedLog:
    there: NDArray[np.bool_] = log.user_counts() > 0
    return log.keep(np.cumsum(there)[log.users] <= max_users, "beyond max_users")


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
