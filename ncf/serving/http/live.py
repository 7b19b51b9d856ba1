"""What the service answers with: one complete model at a time, swapped as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import torch

from ncf.data.ids import IdKind, kind_of
from ncf.errors import ModelError
from ncf.evaluation.lists import top_items
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender


@dataclass(frozen=True)
class Served:
    """A registered version, ready to answer.

    Attributes:
        name, version: of the registered model.
        recommender: the version's.
        user_kind, item_kind: which type their ids are of.
        loaded: when it was.
    """

    name: str
    version: int
    recommender: Recommender
    user_kind: IdKind
    item_kind: IdKind
    loaded: datetime

    @classmethod
    def of(cls, name: str, version: int, bundle: Bundle) -> Self:
        """Make a bundle ready, and let it answer once, so that the first user does not wait.

        Raises:
            ModelError: a weight or a score is not a number.
        """
        wrong = [key for key, value in bundle.model.state_dict().items() if not torch.isfinite(value).all()]
        if wrong:
            raise ModelError(f"weights of version {version} of {name} are not numbers", got=wrong, do="train again")
        kinds = kind_of(bundle.user_ids), kind_of(bundle.item_ids)
        served = cls(name, version, Recommender(bundle), *kinds, datetime.now(UTC))
        known = torch.from_numpy(bundle.learned).nonzero()[:1, 0]
        served.recommender.best(known, 1)
        top_items(served.recommender.fold_in.scores(torch.zeros(1, dtype=torch.int64))[None], 1)
        return served


@dataclass(frozen=True)
class Problem:
    """Why the newest champion does not serve, or is not known.

    Attributes:
        reason: in words.
        since: when it was first seen.
        version: the one that can't serve; None if no version is known.
    """

    reason: str
    since: datetime
    version: int | None = None


class Live:
    """The model that serves now. Readers take `current` once a request; a swap is one assignment.

    Args:
        current: the first model.
    """

    def __init__(self, current: Served) -> None:
        self.current = current
        self.problem: Problem | None = None
        self.swaps = 0

    def swap(self, new: Served) -> None:
        """Let the next request be answered by another model."""
        self.current = new
        self.swaps += 1
        self.well()

    def well(self) -> None:
        """The champion is known, and serves."""
        self.problem = None

    def report(self, reason: str, version: int | None = None) -> None:
        """Something is wrong with the champion; the present model goes on."""
        before = self.problem
        same = before is not None and before.version == version
        self.problem = Problem(reason, before.since if before is not None and same else datetime.now(UTC), version)


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
    user = -1 if user_id is None else recommender.user_of(user_id)
    found = recommender.items_of(item_ids) if item_ids else torch.empty(0, dtype=torch.int64)
    source, best, scores = recommender.best_of_user(user, found[found >= 0], k)
    unknown = [value for value, index in zip(item_ids, found.tolist(), strict=True) if index < 0]
    return Answer(source, bundle.item_ids[best].tolist(), bundle.titles[best].tolist(), scores.tolist(), unknown)
