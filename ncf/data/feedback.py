"""What a rating means: whether its row counts, and the label that a model learns."""

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, Mask
from ncf.data.config import FeedbackConfig
from ncf.data.ratings import TRAIN
from ncf.errors import DataError


def refuse_outside_scale(log: CodedLog, feedback: FeedbackConfig) -> None:
    """Check the ratings against the scale, if there is one.

    Raises:
        DataError: a rating is below the lowest or above the highest.
    """
    if feedback.scale is None:
        return
    lowest, highest = feedback.scale
    outside = np.flatnonzero((log.ratings < lowest) | (log.ratings > highest))
    if len(outside):
        row = outside[0]
        user, item = log.user_ids[log.users[row]], log.item_ids[log.items[row]]
        raise DataError(
            f"the rating of user {user!s} for item {item!s} is outside of the scale",
            got=log.ratings[row],
            allowed=f"{lowest:g} to {highest:g}",
            do=f"correct data.feedback.scale, or mend or remove the {len(outside):,} such ratings",
        )


def counted(log: CodedLog, feedback: FeedbackConfig) -> CodedLog:
    """The rows that count as interactions: those of at least the threshold, if there is one.

    In a split of the source's own a user may lose all of train by it, and then is not evaluated either.

    Raises:
        DataError: none is left.
    """
    if feedback.threshold is None:
        return log
    kept = log.keep(log.ratings >= feedback.threshold, f"rating below {feedback.threshold:g}")
    if log.parts is None or kept.parts is None:
        return kept
    lost = _trained_users(log, log.parts) & ~_trained_users(kept, kept.parts)
    return kept.keep(~lost[kept.users], "held out of users with nothing left in train")


def _trained_users(log: CodedLog, parts: NDArray[np.int8]) -> Mask:
    """Which users have a row in train: bool[len(user_ids)]."""
    trained = np.zeros(len(log.user_ids), dtype=bool)
    trained[log.users[parts == TRAIN]] = True
    return trained


def labels_of(ratings: NDArray[np.float64], feedback: FeedbackConfig) -> NDArray[np.float32] | None:
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
