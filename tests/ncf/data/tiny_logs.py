"""Tiny logs as tuples, and what is made of them as the ids that it stands for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings
from ncf.data.split import Pairs, Split

Row = tuple[int | str, int | str, int]  # user, item, time
Rated = tuple[int, int, float, int]  # user, item, rating, seconds


def ratings(rows: Sequence[Row]) -> Ratings:
    users, items, times = zip(*rows, strict=True)
    return Ratings.from_frame(pd.DataFrame({"user_id": users, "item_id": items, "rating": 3.0, "timestamp": times}))


def rated(rows: Sequence[Rated]) -> Ratings:
    return Ratings.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"]), time_unit="s")


def timeless(rows: Sequence[tuple[int, int]]) -> Ratings:
    return Ratings.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))


def filtered(log: Ratings, feedback: dict[str, Any] | None = None, **settings: Any) -> Interactions:
    meaning = FeedbackConfig.model_validate(feedback or {})
    return to_interactions(filter_ratings(log, FilterConfig.model_validate(settings), meaning), meaning)


def tiny_log(rows: Sequence[Row], splits: Sequence[int] | None = None, times: bool = True) -> Interactions:
    """Interactions of (user, item, seconds since the epoch), with the split of each row if it is given."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    given = None if splits is None else np.array(splits, dtype=np.int8)
    return to_interactions(
        Ratings.from_frame(frame if times else frame.drop(columns="timestamp"), time_unit="s", splits=given)
    )


def with_labels(interactions: Interactions) -> Interactions:
    """The label of the n-th interaction is n / 100."""
    return replace(interactions, labels=(np.arange(len(interactions.users)) / 100).astype(np.float32))


def ids_of(found: Interactions) -> list[tuple[object, object]]:
    """User and item id of each interaction."""
    return [(found.user_ids[u], found.item_ids[i]) for u, i in zip(found.users, found.items, strict=True)]


def as_text(split: Split, pairs: Pairs) -> list[str]:
    """Such as "ann a"."""
    return [f"{split.user_ids[u]} {split.item_ids[i]}" for u, i in zip(pairs.users, pairs.items, strict=True)]


def by_split(split: Split) -> dict[str, list[str]]:
    named = {"train": split.train, "validation": split.validation, "test": split.test, "other": split.other}
    return {name: as_text(split, pairs) for name, pairs in named.items()}
