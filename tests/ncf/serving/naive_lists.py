"""Lists of recommendations as rows, and how they are found item by item."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
import torch

from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn
from ncf.serving.log import ServingLog

COLUMNS = ["user_id", "item_id", "rank", "score", "source"]
Row = tuple[Any, Any, int, Any, str]


def items_by_user(log: ServingLog) -> dict[Any, tuple[set[Any], set[Any]]]:
    """Ids of each user's items: those that count as interactions, and all."""
    found, start = {}, 0
    for user, count, liked in zip(log.user_ids.tolist(), log.items.counts.tolist(), log.liked.tolist(), strict=True):
        items = log.item_ids[log.items.items[start : start + count].numpy()].tolist()
        found[user] = set(items[:liked]), set(items)
        start += count
    return found


def naive(
    bundle: Bundle, user_ids: Sequence[Any], k: int, log: ServingLog | None = None, *, refold: bool = False
) -> list[Row]:
    """Item by item: everything unseen, sorted by score, then by place in the catalogue."""
    known, catalogue = bundle.user_ids.tolist(), bundle.item_ids.tolist()
    learned = {user for user, its in zip(known, bundle.learned.tolist(), strict=True) if its}
    before, now = items_by_user(bundle.log), items_by_user(log or bundle.log)
    rows: list[Row] = []
    for user in user_ids:
        liked, seen = now.get(user, (set(), set()))
        liked = liked & set(catalogue)
        grown = refold and bool(liked - before.get(user, (set(), set()))[0])
        if user in now and user in learned and not grown:
            scores, source = bundle.model.score_all(torch.tensor([known.index(user)]))[0].tolist(), "model"
        elif liked:
            folded = FoldIn(bundle).scores(torch.tensor(sorted(map(catalogue.index, liked))))
            scores, source = folded.tolist(), "items"
        else:
            scores, source = [float(count) for count in bundle.item_counts], "popularity"
        unseen = [index for index, item in enumerate(catalogue) if item not in seen]
        best = sorted(unseen, key=lambda item: (-scores[item], item))[:k]
        rows += [
            (user, catalogue[item], rank, pytest.approx(scores[item], rel=1e-5, abs=1e-6), source)
            for rank, item in enumerate(best, start=1)
        ]
    return rows


def rows_of(frame: pd.DataFrame) -> list[Row]:
    assert list(frame) == COLUMNS
    return list(frame.itertuples(index=False, name=None))
