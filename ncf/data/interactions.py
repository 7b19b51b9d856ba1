"""From outside ids to dense indices: one interaction a rated pair, with its label."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.config import FeedbackConfig
from ncf.data.ratings import ITEM_ID, TIMESTAMP, USER_ID, Ratings
from ncf.data.tally import NOTHING_READ, Tally

Ids: TypeAlias = NDArray[Any]
Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Interactions:
    """Observed (user, item) pairs, each user's in order of time.

    Attributes:
        user_ids: [num_users], sorted; position = index.
        item_ids: [num_items], sorted; position = index.
        users, items: int64[N] indices, sorted by user, then by time, then by place in the log.
        times: int64[N] microseconds since the epoch; None for a log without times.
        labels: float32[N] in [0, 1], for explicit feedback; None where every label is 1.
        parts: int8[N], TRAIN, VALIDATION or TEST, for a source with its own split; else None.
        candidates: int64[M, 2] user and item, for a source with its own candidates of the test holdout; else None.
        tally: what became of the rows so far.
    """

    user_ids: Ids
    item_ids: Ids
    users: Indices
    items: Indices
    times: Indices | None = None
    labels: NDArray[np.float32] | None = None
    parts: NDArray[np.int8] | None = None
    candidates: Indices | None = None
    tally: Tally = NOTHING_READ


def to_interactions(ratings: Ratings, feedback: FeedbackConfig = FeedbackConfig()) -> Interactions:  # noqa: B008
    """Number users and items, and label every pair.

    Args:
        ratings: filtered, so that no pair is repeated; equal times of one user are ordered by their place in it.
        feedback: what a rating means.
    """
    frame = ratings.frame
    user_ids, users = _index(frame[USER_ID])
    item_ids, items, candidates = _items_and_candidates(frame[ITEM_ID], user_ids, ratings.candidates)
    times = frame[TIMESTAMP].to_numpy()
    order = np.lexsort((times, users))
    return Interactions(
        user_ids,
        item_ids,
        users[order],
        items[order],
        times=times[order] if ratings.has_times else None,
        parts=None if ratings.parts is None else ratings.parts[order],
        candidates=candidates,
        tally=ratings.tally,
    )


def _items_and_candidates(
    ids: "pd.Series[Any]", user_ids: Ids, offered: pd.DataFrame | None
) -> tuple[Ids, Indices, Indices | None]:
    """Item ids, items, and the candidates of the users that are left; what is only a candidate is an item too."""
    if offered is None:
        return *_index(ids), None
    users = pd.Index(user_ids).get_indexer(pd.Index(offered[USER_ID]))
    offered, users = offered[users >= 0], users[users >= 0]
    item_ids, items = _index(pd.concat([ids, offered[ITEM_ID]], ignore_index=True))
    return item_ids, items[: len(ids)], np.stack([users, items[len(ids) :]], axis=1).astype(np.int64)


def _index(ids: "pd.Series[Any]") -> tuple[Ids, Indices]:
    indices, unique = pd.factorize(ids, sort=True)
    return np.asarray(unique), indices.astype(np.int64)
