"""A made-up interaction log of any size: seeded, with a few popular items and a few busy users, as in real logs."""

import numpy as np
from numpy.typing import NDArray

from ncf.data.interactions import Indices, Interactions

MOST_SEEN = 0.5  # no user has more than this share of the catalogue
LEAST = 3  # interactions of the least active user: one each for train, validation and test


def synthetic_log(num_users: int, num_items: int, num_interactions: int, seed: int = 0) -> Interactions:
    """Make a log with exactly these numbers; the same arguments give the same log.

    Users' activity is log-normal. Items' popularity falls like 1 / (rank + num_items / 50): Zipf's law with a flattened
    head, close to MovieLens'. Each user's items are in random order, which stands for time.

    Raises:
        ValueError: so many interactions do not fit, or are too few for three a user.
    """
    most = max(LEAST, int(num_items * MOST_SEEN))
    if not num_users * LEAST <= num_interactions <= num_users * most * MOST_SEEN:
        raise ValueError(
            f"num_interactions is {num_interactions}; allowed: {num_users * LEAST} to "
            f"{int(num_users * most * MOST_SEEN)} for {num_users} users and {num_items} items"
        )
    generator = np.random.default_rng(seed)
    counts = _activity(num_users, num_interactions, most, generator)
    keys = _distinct_pairs(counts, num_items, generator)
    users, items = np.divmod(keys, num_items)
    order = np.argsort(users + generator.random(len(users)))  # users are sorted already: this shuffles within each
    return Interactions(np.arange(num_users), np.arange(num_items), users, items[order])


def _activity(num_users: int, total: int, most: int, generator: np.random.Generator) -> Indices:
    """Interactions of each user, int64[num_users], that sum to `total`."""
    weights = generator.lognormal(sigma=1.0, size=num_users)
    counts: Indices = np.clip(weights / weights.sum() * total, LEAST, most).astype(np.int64)
    while (missing := total - int(counts.sum())) != 0:
        free = np.flatnonzero(counts < most if missing > 0 else counts > LEAST)
        chosen = generator.choice(free, size=min(abs(missing), len(free)), replace=False)
        counts[chosen] += 1 if missing > 0 else -1
    return counts


def _distinct_pairs(counts: Indices, num_items: int, generator: np.random.Generator) -> Indices:
    """Sorted keys user * num_items + item, `counts[user]` of them for each user, no two equal."""
    cumulative = _cumulative_popularity(num_items, generator)
    names = generator.permutation(num_items)  # so that an item's index says nothing about its popularity
    keys = np.empty(0, dtype=np.int64)
    missing = counts
    while missing.any():
        users = np.repeat(np.arange(len(counts)), missing)
        items = names[np.searchsorted(cumulative, generator.random(len(users)), side="right")]
        keys = np.unique(np.concatenate([keys, users * num_items + items]))
        missing = counts - np.bincount(keys // num_items, minlength=len(counts))
    return keys


def _cumulative_popularity(num_items: int, generator: np.random.Generator) -> NDArray[np.float64]:
    popularity = 1 / (np.arange(num_items) + num_items / 50 + 1)
    cumulative = np.cumsum(popularity / popularity.sum())
    cumulative[-1] = 1.0
    return cumulative
