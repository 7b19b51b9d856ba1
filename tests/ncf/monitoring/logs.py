"""Models of three users and six items, and literal logs that go on from what they were trained on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ncf.data.coded import CodedLog
from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.history import DAY, DayCounts, History
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.serving.bundle import Bundle
from tests.ncf.serving.bundles import bundle_scoring
from tests.ncf.toy_data import literal_data

KNOWN = [(10, 0), (10, 1), (10, 2), (10, 3), (20, 0), (20, 2), (20, 1), (20, 4), (30, 0), (30, 3)]  # users, items
LAST = 109  # the day of the newest of them: one came on each day from 100 on
HISTORY = History(
    early=np.array([3, 2, 2, 1, 1, 0]),
    recent=np.array([0, 0, 0, 1, 0, 0]),
    by_day=DayCounts(np.arange(100, 110), np.ones(10, dtype=np.int64), np.ones(10, dtype=np.int64)),
    last_time=LAST * DAY,
)
SCORES = [
    [9.0, 9.0, 9.0, 9.0, 1.0, 2.0],  # has met 0, 1, 2, 3
    [9.0, 9.0, 9.0, 5.0, 9.0, 6.0],  # has met 0, 1, 2, 4
    [9.0, 0.1, 0.2, 9.0, 0.3, 0.3],  # has met 0, 3
]


def known_data(**changes: Any) -> PreparedData:
    return replace(literal_data(), history=HISTORY, **changes)


def bundle_with(scores: Sequence[Sequence[float]], data: PreparedData | None = None, **about: Any) -> Bundle:
    """A model that scores the items as given: float[users][items]."""
    return bundle_scoring(scores, data or known_data(), **about)


def log_of(new: Sequence[tuple[Any, Any, float]], known: Sequence[tuple[Any, Any]] = KNOWN) -> CodedLog:
    """The known pairs, one a day, and new ones: user, item, day since 1970."""
    rows = [(user, item, float(day)) for day, (user, item) in enumerate(known, start=100)]
    frame = pd.DataFrame([*rows, *new], columns=["user_id", "item_id", "timestamp"])
    frame = frame.assign(timestamp=(frame["timestamp"] * 86_400).astype(int))
    return filter_ratings(Ratings.from_frame(frame, time_unit="s"), FilterConfig())
