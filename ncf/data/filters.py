"""Which rows of a log are left out: the settings of `FilterConfig`, in their order."""

from datetime import datetime

import numpy as np

from ncf.data.across import filter_across_users
from ncf.data.coded import CodedLog
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.feedback import NOTHING_IN_TRAIN, below, counted, outside_scale
from ncf.data.problems import Problem, first_problem
from ncf.data.ratings import Ratings
from ncf.data.repeated import REASONS, merge_repeated
from ncf.data.times import microseconds_of, shown
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
