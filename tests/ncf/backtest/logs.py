"""Logs over time whose right answers are known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ncf.data import ITEM_ID, RATING, TIMESTAMP, USER_ID
from ncf.data.history import DAY
from ncf.data.ratings import Ratings

MONDAY = 10_000 * DAY  # a midnight
WEEK = 7 * DAY
Row = tuple[int, int, float, int]


def log_of(rows: Sequence[Row]) -> Ratings:
    """User, item, day (from 0) and rating of each row."""
    users, items, days, ratings = zip(*rows, strict=True)
    times = [MONDAY + int(day * DAY) for day in days]
    return Ratings.from_frame(
        pd.DataFrame({USER_ID: users, ITEM_ID: items, RATING: np.array(ratings, dtype=float), TIMESTAMP: times}),
        time_unit="us",
    )


def colours(weeks: int, seed: int = 0) -> list[Row]:
    """Users who like one of two colours all their life: 24 even items or 24 odd ones, in a random order.

    40 begin, and each week 20 more come and stay: six items in a user's first week, two in every other, until all 24
    are met. All items are there from the first day on.
    """
    rng = np.random.default_rng(seed)
    left: dict[int, list[int]] = {}
    rows: list[Row] = [(1000 + item % 2, item, 0.5, 5) for item in range(48)]
    for week in range(weeks):
        for user in range(40 + 20 * week):
            new = user not in left
            mine = left.setdefault(user, rng.permutation(np.arange(user % 2, 48, 2)).tolist())
            met = [mine.pop() for _ in range(min(6 if new else 2, len(mine)))]
            rows += [(user, item, week * 7 + float(rng.uniform(0, 7)), 5) for item in met]
    return rows
