"""One request: from ids to the best items, for a user who is known, known by items alone, or unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ncf.evaluation.lists import top_items
from ncf.serving.live import Served
from ncf.serving.recommender import FROM_MODEL, FROM_POPULARITY, learned_of

FROM_ITEMS = "items"


@dataclass(frozen=True)
class Answer:
    """The best items of one user.

    Attributes:
        source: "model", "items" (folded in) or "popularity".
        item_ids: outside ids, best first.
        titles: one an item, empty where unknown.
        scores: float32 values: logits, or numbers of interactions from popularity.
        unknown: of the ids sent along, those that the model does not know.
    """

    source: str
    item_ids: list[Any]
    titles: list[str]
    scores: list[float]
    unknown: list[Any]


def answer(served: Served, user_id: Any, item_ids: Sequence[Any], k: int) -> Answer:
    """Recommend.

    Args:
        served: the model.
        user_id: outside id of the right type, or None. A user whom the model has learned is answered with their own
            vector.
        item_ids: outside ids of the right type; another user is folded in by them. They are left out of every answer.
        k: items wanted, from 1; fewer where there are fewer left.

    Raises:
        ModelError: a score is NaN.
    """
    recommender, bundle = served.recommender, served.recommender.bundle
    user = torch.tensor([-1 if user_id is None else recommender.user_of(user_id)])
    found = recommender.items_of(item_ids) if item_ids else torch.empty(0, dtype=torch.int64)
    items = found[found >= 0]
    source = _source(bool(learned_of(bundle, user)[0]), len(items) > 0)
    with torch.inference_mode(mode=source != FROM_ITEMS):
        scores = _scores(served, user, items, source)
        best = top_items(scores, k)[0]
        best = best[best >= 0]
        values = scores[0, best].tolist()
    places = best.numpy()
    unknown = [value for value, index in zip(item_ids, found.tolist(), strict=True) if index < 0]
    return Answer(source, bundle.item_ids[places].tolist(), bundle.titles[places].tolist(), values, unknown)


def _source(learned: bool, folded_in: bool) -> str:
    if learned:
        return FROM_MODEL
    return FROM_ITEMS if folded_in else FROM_POPULARITY


def _scores(served: Served, user: Tensor, items: Tensor, source: str) -> Tensor:
    """Scores of all items, float[1, num_items]; -inf marks what the user has."""
    if source != FROM_ITEMS:
        scores = served.recommender.offered(user)
    else:
        scores = served.recommender.fold_in.scores(items)[None].clone()
        if user[0] >= 0:
            scores[0, served.recommender.bundle.seen.of_users(user)[1]] = -torch.inf
    scores[0, items] = -torch.inf
    return scores
