"""Lists of recommendations as rows, and how they are found item by item."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
import torch

from ncf.serving.bundle import Bundle
from tests.ncf.serving.bundles import seen_pairs

COLUMNS = ["user_id", "item_id", "rank", "score", "source"]
Row = tuple[Any, Any, int, Any, str]


def naive(bundle: Bundle, user_ids: Sequence[Any], k: int) -> list[Row]:
    """Item by item: everything unseen, sorted by score, then by place in the catalogue."""
    known = {user: index for index, user in enumerate(bundle.user_ids.tolist())}
    seen = set(seen_pairs(bundle))
    rows: list[Row] = []
    for user in user_ids:
        index = known.get(user)
        if index is None:
            scores, source = [float(count) for count in bundle.item_counts], "popularity"
        else:
            scores, source = bundle.model.score_all(torch.tensor([index]))[0].tolist(), "model"
        unseen = [item for item in range(len(bundle.item_ids)) if (index, item) not in seen]
        best = sorted(unseen, key=lambda item: (-scores[item], item))[:k]
        rows += [
            (user, bundle.item_ids[item], rank, pytest.approx(scores[item], rel=1e-5, abs=1e-6), source)
            for rank, item in enumerate(best, start=1)
        ]
    return rows


def rows_of(frame: pd.DataFrame) -> list[Row]:
    assert list(frame) == COLUMNS
    return list(frame.itertuples(index=False, name=None))
