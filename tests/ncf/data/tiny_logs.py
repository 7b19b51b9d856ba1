"""Tiny logs as tuples, and pairs of indices as the ids that they stand for."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings

Row = tuple[int | str, int | str, int]  # user, item, time
Rated = tuple[int, int, float, int]  # user, item, rating, seconds


def ratings(rows: Sequence[Row]) -> Ratings:
    users, items, times = zip(*rows, strict=True)
    return Ratings.from_frame(pd.DataFrame({"user_id": users, "item_id": items, "rating": 3.0, "timestamp": times}))


def by_id(found: Interactions) -> list[tuple[object, object]]:
    return [(found.user_ids[u], found.item_ids[i]) for u, i in zip(found.users, found.items, strict=True)]


def filtered(log: Ratings, feedback: dict[str, Any] | None = None, **settings: Any) -> Interactions:
    meaning = FeedbackConfig.model_validate(feedback or {})
    return to_interactions(filter_ratings(log, FilterConfig.model_validate(settings), meaning), meaning)


def rated(rows: Sequence[Rated]) -> Ratings:
    return Ratings.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"]), time_unit="s")


def timeless(rows: Sequence[tuple[int, int]]) -> Ratings:
    return Ratings.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))
