"""Tiny logs, and splits as ids."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings
from ncf.data.split import Pairs, Split

Row = tuple[str, str, int]


def log(rows: Sequence[Row], parts: Sequence[int] | None = None, times: bool = True) -> Interactions:
    """Interactions of (user, item, seconds since the epoch)."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    given = None if parts is None else np.array(parts, dtype=np.int8)
    return to_interactions(
        Ratings.from_frame(frame if times else frame.drop(columns="timestamp"), time_unit="s", parts=given)
    )


def with_labels(interactions: Interactions) -> Interactions:
    """The label of the n-th interaction is n / 100."""
    return replace(interactions, labels=np.arange(len(interactions.users), dtype=np.float32) / 100)


def by_id(split: Split, part: Pairs) -> list[str]:
    """Such as "ann a"."""
    return [f"{split.user_ids[u]} {split.item_ids[i]}" for u, i in zip(part.users, part.items, strict=True)]


def parts(split: Split) -> dict[str, list[str]]:
    named = {"train": split.train, "validation": split.validation, "test": split.test, "other": split.other}
    return {name: by_id(split, part) for name, part in named.items()}
