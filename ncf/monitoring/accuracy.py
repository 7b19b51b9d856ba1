"""How well did a model's recommendations foretell what its users did next?"""

from typing import Self

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from ncf.data.columns import Indices
from ncf.data.split import Pairs
from ncf.evaluation.comparison import paired_difference
from ncf.evaluation.metrics import Mean, Values, hit, mean_with_interval, ndcg, rank_of
from ncf.evaluation.ranking import CUTOFF
from ncf.monitoring.arrived import Arrived
from ncf.serving.recommender import Recommender

NEVER = np.iinfo(np.int64).max  # the rank of an item that the model does not know
FEWEST = 2  # users; one alone has no interval


class Figure(BaseModel):
    """A mean over users and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, mean: Mean) -> Self:
        """The same as a part of a report."""
        return cls(value=mean.value, low=mean.low, high=mean.high)

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


class Accuracy(BaseModel):
    """Ranks of each user's first new item among all that the user had not met, as the service would have listed them.

    Attributes:
        users: whom the model had learned of, and who did something since.
        hr, ndcg: the model's HR@10 and NDCG@10.
        popularity_hr, popularity_ndcg: those of the model's own popular items.
        gain: the model's NDCG@10 above popularity's, paired over the users.
        at_training: the model's NDCG@10 on its test holdout; None if it is not known.
    """

    users: int
    hr: Figure
    ndcg: Figure
    popularity_hr: Figure
    popularity_ndcg: Figure
    gain: Figure
    at_training: float | None


def next_items(arrived: Arrived, last_time: int | None) -> Pairs:
    """The first new item of each user whom the model knows; an item beyond `num_items` is unknown to it.

    Args:
        arrived: what is new.
        last_time: what is not newer came late, and is not what a user did next; None: everything is.
    """
    rows = np.flatnonzero(arrived.since(last_time) & (arrived.users < arrived.num_users))
    users, first = np.unique(arrived.users[rows], return_index=True)
    return Pairs(users, arrived.items[rows][first])


def measure_accuracy(recommender: Recommender, following: Pairs) -> Accuracy | None:
    """HR@10 and NDCG@10 of the model and of its popular items; an item that it does not know is a miss for both.

    Args:
        recommender: the model, with all items to choose from.
        following: one item a user, that the user had not met; users whom the model has not learned of are left out.

    Returns:
        None for fewer than two users.
    """
    bundle = recommender.bundle
    learned = bundle.learned[following.users]
    following = Pairs(following.users[learned], following.items[learned])
    if len(following) < FEWEST:
        return None
    ranks, popular = ranks_of(recommender, following)
    ours, theirs = ndcg(ranks, CUTOFF), ndcg(popular, CUTOFF)
    return Accuracy(
        users=len(following),
        hr=_mean(hit(ranks, CUTOFF)),
        ndcg=_mean(ours),
        popularity_hr=_mean(hit(popular, CUTOFF)),
        popularity_ndcg=_mean(theirs),
        gain=Figure.of(paired_difference(ours, theirs)),
        at_training=bundle.about.get("metrics", {}).get(f"test/full/ndcg_at_{CUTOFF}"),
    )


def ranks_of(recommender: Recommender, following: Pairs) -> tuple[Indices, Indices]:
    """Ranks, int64[U] each, by the model and by popularity. Ties count against the item.

    Args:
        recommender: the model, with all items to choose from.
        following: one item a user.
    """
    known = np.flatnonzero(following.items < len(recommender.bundle.item_ids))
    users, items = (torch.as_tensor(values[known]) for values in (following.users, following.items))
    ranks = np.full((2, len(following)), NEVER, dtype=np.int64)
    popularity = torch.as_tensor(recommender.bundle.item_counts, dtype=torch.float32)
    with torch.inference_mode():
        for start in range(0, len(known), recommender.rows_at_once):
            rows = slice(start, start + recommender.rows_at_once)
            offered = recommender.offered(users[rows])
            popular = torch.where(offered.isneginf(), offered, popularity)
            for place, scores in enumerate((offered, popular)):
                ranks[place, known[rows]] = _ranks(scores, items[rows, None]).numpy()
    return ranks[0], ranks[1]


def _ranks(scores: Tensor, items: Tensor) -> Tensor:
    """Scores [B, num_items], items [B, 1] -> int64[B]."""
    target = scores.gather(1, items)
    return rank_of(target[:, 0], scores.scatter(1, items, -torch.inf))


def _mean(values: Values) -> Figure:
    return Figure.of(mean_with_interval(values))
