"""Observed pairs of users and items as dense indices, with the labels that a model learns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncf.data import Ids, Indices
from ncf.data.coded import CodedLog
from ncf.data.config import FeedbackConfig
from ncf.data.ratings import NOTHING_READ, Ratings, Tally


@dataclass(frozen=True)
class Interactions:
    """Observed (user, item) pairs, each user's in order of time.

    Attributes:
        user_ids: [num_users], sorted; position = index.
        item_ids: [num_items], sorted; position = index.
        users, items: int64[N] indices, sorted by user, then by time, then by place in the log.
        times: int64[N] microseconds since the epoch; None for a log without times.
        labels: float32[N] in [0, 1], for explicit feedback; None where every label is 1.
        splits: int8[N], TRAIN, VALIDATION or TEST, for a source with its own split; else None.
        candidates: int64[M, 2] user and item, for a source with its own candidates of the test holdout; else None.
            An item of the candidates is numbered even if nobody has it.
        tally: what became of the rows so far.
    """

    user_ids: Ids
    item_ids: Ids
    users: Indices
    items: Indices
    times: Indices | None = None
    labels: NDArray[np.float32] | None = None
    splits: NDArray[np.int8] | None = None
    candidates: Indices | None = None
    tally: Tally = NOTHING_READ


def to_interactions(
    log: Ratings | CodedLog,
    feedback: FeedbackConfig = FeedbackConfig(),  # noqa: B008 (frozen)
) -> Interactions:
    """Number the users and items that are left, and label every pair.

    Args:
        log: filtered, so that no pair is repeated; or a log that needs no filters.
        feedback: what a rating means.
    """
    log = CodedLog.of(log) if isinstance(log, Ratings) else log
    user_ids, user_of = _numbered(log.user_ids, log.user_counts() > 0)
    candidates = log.candidates
    occurs = log.item_counts() > 0
    if candidates is not None:
        candidates = candidates[user_of[candidates[:, 0]] >= 0]  # those of users who are left
        occurs[candidates[:, 1]] = True
    item_ids, item_of = _numbered(log.item_ids, occurs)
    return Interactions(
        user_ids,
        item_ids,
        user_of[log.users],
        item_of[log.items],
        log.times if log.has_times else None,
        _labels_of(log.ratings, feedback),
        log.splits,
        None if candidates is None else np.stack([user_of[candidates[:, 0]], item_of[candidates[:, 1]]], axis=1),
        log.tally,
    )


def _labels_of(ratings: NDArray[np.float64], feedback: FeedbackConfig) -> NDArray[np.float32] | None:
    """float32[N] labels in [0, 1]; None for implicit feedback, where every label is 1.

    The label 0 is that of an unobserved pair. A scale that begins above 0 is therefore divided by its highest rating
    alone: on the scale 1 to 5 the rating 1 is 0.2, so that what was observed stays above what was not.

    Args:
        ratings: float64[N], within the scale.
        feedback: what a rating means.
    """
    if feedback.kind == "implicit" or feedback.scale is None:
        return None
    lowest, highest = feedback.scale
    zero = min(0.0, lowest)
    return ((ratings - zero) / (highest - zero)).astype(np.float32)


def _numbered(ids: Ids, there: NDArray[np.bool_]) -> tuple[Ids, Indices]:
    """The ids that are there, and the index of each code; -1 for those that are not."""
    return ids[there], np.where(there, np.cumsum(there) - 1, -1)
