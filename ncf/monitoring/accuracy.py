"""How well do a model's recommendations predict what its users did next?"""

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from ncf.data import Indices
from ncf.data.split import Pairs
from ncf.evaluation.comparison import paired_difference
from ncf.evaluation.metrics import Mean, hit, mean_with_interval, ndcg, rank_of
from ncf.evaluation.ranking import CUTOFF
from ncf.monitoring.new_interactions import NewInteractions
from ncf.serving.recommender import Recommender

NEVER = np.iinfo(np.int64).max  # the rank of an item that the model does not know
FEWEST = 2  # users; one alone has no interval


class Accuracy(BaseModel):
    """Ranks of each user's first new item among all items that the user had not seen, as the service would list them.

    Attributes:
        users: those of whom the model has learned, and who did something since.
        hr, ndcg: the model's HR@10 and NDCG@10.
        popularity_hr, popularity_ndcg: those of the model's own popular items.
        gain: the model's NDCG@10 above popularity's, paired over the users.
        at_training: the model's NDCG@10 on its test holdout; None if it is not known.
    """

    users: int
    hr: Mean
    ndcg: Mean
    popularity_hr: Mean
    popularity_ndcg: Mean
    gain: Mean
    at_training: float | None


def next_items(new: NewInteractions, last_time: int | None) -> Pairs:
    """The first new item of each user whom the model knows; an item beyond `num_items` is unknown to it.

    Interactions that are not newer than the last time arrived late, and are not what a user did next; None: all are.
    """
    rows = np.flatnonzero(new.since(last_time) & (new.users < new.num_users))
    users, first = np.unique(new.users[rows], return_index=True)
    return Pairs(users, new.items[rows][first])


def measure_accuracy(recommender: Recommender, following: Pairs) -> Accuracy | None:
    """HR@10 and NDCG@10 of the model and of its popular items; an item that it does not know is a miss for both.

    `following` has one unseen item per user; users of whom the model has not learned are left out.

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
        hr=mean_with_interval(hit(ranks, CUTOFF)),
        ndcg=mean_with_interval(ours),
        popularity_hr=mean_with_interval(hit(popular, CUTOFF)),
        popularity_ndcg=mean_with_interval(theirs),
        gain=paired_difference(ours, theirs),
        at_training=bundle.about.get("metrics", {}).get(f"test/full/ndcg_at_{CUTOFF}"),
    )


def ranks_of(recommender: Recommender, following: Pairs) -> tuple[Indices, Indices]:
    """Ranks, int64[U] each, of one item per user, by the model and by popularity. Ties count against the item."""
    known = np.flatnonzero(following.items < len(recommender.bundle.item_ids))
    users, items = (torch.as_tensor(values[known]) for values in (following.users, following.items))
    ranks = np.full((2, len(following)), NEVER, dtype=np.int64)
    popularity = torch.as_tensor(recommender.bundle.item_counts, dtype=torch.float32)
    with torch.inference_mode():
        for start in range(0, len(known), recommender.rows_at_once):
            rows = slice(start, start + recommender.rows_at_once)
            offered = recommender.offered(users[rows])
            popular = torch.where(offered.isneginf(), offered, popularity)
            for row, scores in enumerate((offered, popular)):
                ranks[row, known[rows]] = _ranks(scores, items[rows, None]).numpy()
    return ranks[0], ranks[1]


def _ranks(scores: Tensor, items: Tensor) -> Tensor:
    """Scores [B, num_items], items [B, 1] -> int64[B]."""
    target = scores.gather(1, items)
    return rank_of(target[:, 0], scores.scatter(1, items, -torch.inf))
