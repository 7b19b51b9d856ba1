"""What a rating means: whether its row counts, and the label that a model learns."""

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog
from ncf.data.config import FeedbackConfig
from ncf.data.kcore import Mask
from ncf.data.problems import Problem
from ncf.data.ratings import TRAIN

NOTHING_IN_TRAIN = "held out of users with nothing left in train"


def outside_scale(log: CodedLog, feedback: FeedbackConfig) -> list[Problem]:
    """The ratings below the lowest or above the highest of the scale, if there is one."""
    if feedback.scale is None:
        return []
    lowest, highest = feedback.scale
    outside = np.flatnonzero((log.ratings < lowest) | (log.ratings > highest))
    if not len(outside):
        return []
    row = outside[0]
    return [Problem("scale", int(log.users[row]), int(log.items[row]), float(log.ratings[row]), len(outside))]


def counted(log: CodedLog, feedback: FeedbackConfig) -> CodedLog:
    """The rows that count as interactions: those of at least the threshold, if there is one.

    In a split of the source's own a user may lose all of train by it, and then is not evaluated either.
    """
    if feedback.threshold is None:
        return log
    kept = log.keep(log.ratings >= feedback.threshold, below(feedback.threshold))
    if log.parts is None or kept.parts is None:
        return kept
    lost = _trained_users(log, log.parts) & ~_trained_users(kept, kept.parts)
    return kept.keep(~lost[kept.users], NOTHING_IN_TRAIN)


def below(threshold: float) -> str:
    """Why a row does not count."""
    return f"rating below {threshold:g}"


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
