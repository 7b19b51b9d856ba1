"""Positives with drawn negatives, by torch on any device."""

import torch
from torch import Tensor

from ncf.data.popularity import WeightedUnseen
from ncf.data.sampler import NegativeSampler
from ncf.data.unseen import UnseenItems


class TorchNegatives:
    """Draws negatives for rows of the positives.

    Args:
        unseen: index over the train pairs; a weighted one draws in proportion to the weights.
        users, items: int64[number of positives], of all positives, each with a user who has unseen items.
    """

    def __init__(self, unseen: UnseenItems | WeightedUnseen, users: Tensor, items: Tensor) -> None:
        self._sampler = NegativeSampler(unseen)
        self._users, self._items = users, items

    def draw(self, rows: Tensor, num_negatives: int, seed: int) -> tuple[Tensor, Tensor]:
        """Of the positives in these rows the users int64[P], and the items int64[P, 1 + num_negatives].

        Args:
            rows: int64[P]; a row gets the same negatives in any company.
            num_negatives: draws per positive, from its user's unseen items, with replacement.
            seed: 0 to 2^63 - 1.
        """
        places = rows.argsort()  # users in their order: neighbours search the same part of the index, twice as fast
        ordered = rows[places]
        drawn = self._sampler.sample(self._users[ordered], num_negatives, seed, ordered)
        negatives = torch.empty_like(drawn).index_copy_(0, places, drawn)
        return self._users[rows], torch.cat([self._items[rows, None], negatives], dim=1)
