"""Leave-one-out by time: the evaluation of the paper (section 4.1)."""

from dataclasses import dataclass

import numpy as np

from ncf.data.interactions import Ids, Indices, Interactions
from ncf.errors import DataError

MIN_INTERACTIONS = 3  # one each for train, validation and test


@dataclass(frozen=True)
class Pairs:
    """Parallel int64 index arrays: user `users[n]` met item `items[n]`."""

    users: Indices
    items: Indices

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Split:
    """Interactions divided into train (sorted by user, then time), validation and test (one pair a user)."""

    user_ids: Ids
    item_ids: Ids
    train: Pairs
    validation: Pairs
    test: Pairs


def leave_one_out(interactions: Interactions) -> Split:
    """Hold out each user's newest interaction as test and the one before it as validation.

    Users with fewer than 3 interactions stay in train only.

    Raises:
        DataError: no user has enough interactions, so that nothing could be evaluated.
    """
    users, items = interactions.users, interactions.items
    counts = np.bincount(users, minlength=len(interactions.user_ids))
    newest_first = np.cumsum(counts)[users] - 1 - np.arange(len(users))
    held_out = counts[users] >= MIN_INTERACTIONS
    test, validation = held_out & (newest_first == 0), held_out & (newest_first == 1)
    if not test.any():
        raise DataError(
            "no user has enough interactions to be evaluated; the largest number is",
            got=int(counts.max()),
            allowed=f"at least {MIN_INTERACTIONS} for one user or more",
            do="use a longer log",
        )

    def pairs(rows: np.ndarray) -> Pairs:
        return Pairs(users[rows], items[rows])

    return Split(
        interactions.user_ids, interactions.item_ids, pairs(~(test | validation)), pairs(validation), pairs(test)
    )
