"""A log whose tastes are known: users and items are points, and who is near meets."""

import numpy as np

from ncf.data.prepared import PreparedData, prepare
from ncf.data.split import Pairs, Split


def planted(
    num_users: int, num_items: int, *, factors: int, rows: int, seed: int, sharpness: float = 3.0
) -> PreparedData:
    """Each user meets `rows` items, drawn without replacement by softmax(sharpness * u.v / sqrt(factors) + popularity).

    Args:
        num_users: users; each has a validation and a test item.
        num_items: items.
        factors: independent tastes: a model with fewer can't tell all of them apart.
        rows: interactions of each user.
        seed: of everything.
        sharpness: how much tastes count against chance.
    """
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(num_users, factors)), rng.normal(size=(num_items, factors))
    liking = sharpness * (users @ items.T) / np.sqrt(factors) + rng.normal(size=num_items)
    drawn = np.argsort(-(liking + rng.gumbel(size=liking.shape)), axis=1)[:, :rows]  # Gumbel's trick
    drawn = rng.permuted(drawn, axis=1)
    everyone = np.arange(num_users)
    train = Pairs(np.repeat(everyone, rows - 2), drawn[:, 2:].ravel())
    split = Split(
        everyone, np.arange(num_items), train, Pairs(everyone, drawn[:, 0].copy()), Pairs(everyone, drawn[:, 1].copy())
    )
    return prepare("planted", split, num_candidates=20)
