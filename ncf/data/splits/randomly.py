"""Any two interactions of each user are held out: for a log without times."""

from dataclasses import replace

import numpy as np
import torch

from ncf.data.interactions import Indices, Interactions
from ncf.data.split import Split
from ncf.data.splitmix import derived_seed, random_bits
from ncf.data.splits.masks import Mask, divided, with_enough

PURPOSE = 0x5B1177  # keeps these random numbers apart from those of other uses of the same seed


def randomly(interactions: Interactions, seed: int) -> Split:
    """Hold out one interaction of each user as test and another as validation, any being equally likely.

    Users with fewer than 3 interactions stay in train only. Which are held out follows from the seed and the pairs
    alone, whatever the order of the rows in the log. Without times, train is sorted by user and item.

    Raises:
        DataError: no user has enough interactions, so that nothing could be evaluated.
    """
    if interactions.times is None:
        interactions = _by_item(interactions)
    enough = with_enough(interactions)
    place = _shuffled_places(interactions, seed)
    test, validation = enough & (place == 0), enough & (place == 1)
    return divided(interactions, ~(test | validation), validation, test)


def _by_item(interactions: Interactions) -> Interactions:
    order = np.lexsort((interactions.items, interactions.users))
    labels = None if interactions.labels is None else interactions.labels[order]
    return replace(interactions, users=interactions.users[order], items=interactions.items[order], labels=labels)


def _shuffled_places(interactions: Interactions, seed: int) -> Indices:
    """Place of each interaction among its user's in random order, from 0: int64[N]."""
    users = interactions.users
    numbers = torch.from_numpy(users * len(interactions.item_ids) + interactions.items)
    order = np.lexsort((random_bits(derived_seed(seed, PURPOSE), numbers).numpy(), users))
    starts: Mask = np.diff(users, prepend=-1) > 0
    first = np.flatnonzero(starts)[np.cumsum(starts) - 1]
    places = np.empty(len(users), dtype=np.int64)
    places[order] = np.arange(len(users)) - first
    return places
