"""From outside ids to dense indices: implicit feedback, one interaction a rated pair."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.ratings import ITEM_ID, TIMESTAMP, USER_ID, Ratings

Ids: TypeAlias = NDArray[Any]
Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Interactions:
    """Observed (user, item) pairs, each user's in order of time.

    Attributes:
        user_ids: [num_users], sorted; position = index.
        item_ids: [num_items], sorted; position = index.
        users, items: int64[N] indices, sorted by user, then by time, then by place in the log.
    """

    user_ids: Ids
    item_ids: Ids
    users: Indices
    items: Indices


def to_interactions(ratings: Ratings, max_users: int | None = None) -> Interactions:
    """Take every rating as an interaction (label 1); of a repeated pair the newest is kept.

    Args:
        ratings: the raw log; equal times of one user are ordered by their place in it.
        max_users: keep only this many users, those with the smallest ids; None keeps all.
    """
    frame = ratings.frame
    if max_users is not None:
        kept = np.sort(frame[USER_ID].unique())[:max_users]
        frame = frame[frame[USER_ID].isin(kept)]
    frame = frame.sort_values(TIMESTAMP, kind="stable").drop_duplicates([USER_ID, ITEM_ID], keep="last")
    user_ids, users = _index(frame[USER_ID])
    item_ids, items = _index(frame[ITEM_ID])
    order = np.argsort(users, kind="stable")
    return Interactions(user_ids, item_ids, users[order], items[order])


def _index(ids: "pd.Series[Any]") -> tuple[Ids, Indices]:
    indices, unique = pd.factorize(ids, sort=True)
    return np.asarray(unique), indices.astype(np.int64)
