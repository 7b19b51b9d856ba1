"""A synthetic interaction log of any size, with a few popular items and a few active users as in real logs."""

import numpy as np
from numpy.typing import NDArray

from ncf.data import Indices
from ncf.data.interactions import Interactions

MOST_SEEN = 0.5  # no user has more than this share of the catalog
ROUNDS = 5
LEAST = 3  # interactions of the least active user: one each for train, validation and test


def synthetic_log(num_users: int, num_items: int, num_interactions: int, seed: int = 0) -> Interactions:
    """Make a log of exactly this size; the same arguments give the same log.

    Users' activity is log-normal. Items' popularity falls like 1 / (rank + num_items / 100): Zipf's law with a
    flattened head, close to MovieLens'. Each user's items are in random order, which stands for time.

    Raises:
        ValueError: `num_interactions` is too large for the catalog, or less than three per user.
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
    """Sorted keys user * num_items + item, `counts[user]` of them for each user, no two equal.

    Drawn with replacement, repeats dropped and drawn again; what some rounds leave over is drawn user by user.
    """
    popularity = 1 / (np.arange(num_items) + num_items / 100 + 1)
    popularity = generator.permutation(popularity / popularity.sum())  # an item's index says nothing about it
    cumulative = np.cumsum(popularity)
    keys = np.empty(0, dtype=np.int64)
    missing = counts
    for _ in range(ROUNDS):
        users = np.repeat(np.arange(len(counts)), missing)
        items = np.searchsorted(cumulative, generator.random(len(users)), side="right").clip(max=num_items - 1)
        keys = np.sort(np.concatenate([keys, users * num_items + items]))
        keys = keys[np.diff(keys, prepend=-1) > 0]
        missing = counts - np.bincount(keys // num_items, minlength=len(counts))
    rest = [keys]
    for user in np.flatnonzero(missing):
        first, last = np.searchsorted(keys, [user * num_items, (user + 1) * num_items])
        seen = keys[first:last] - user * num_items
        rest.append(user * num_items + _unseen(popularity, seen, missing[user], generator))
    return np.sort(np.concatenate(rest))


def _unseen(popularity: NDArray[np.float64], seen: Indices, number: int, generator: np.random.Generator) -> Indices:
    """Draw distinct unseen items by popularity: the first arrivals of exponential clocks with those rates."""
    arrival = generator.exponential(size=len(popularity)) / popularity
    arrival[seen] = np.inf
    return np.argpartition(arrival, number - 1)[:number]
