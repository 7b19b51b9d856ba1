"""From a choice of rows to a split."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncf.data.interactions import Indices, Interactions
from ncf.data.split import Pairs, Split
from ncf.data.tally import Tally
from ncf.errors import DataError

Mask: TypeAlias = NDArray[np.bool_]

MIN_INTERACTIONS = 3  # one each for train, validation and test


def divided(
    interactions: Interactions,
    train: Mask,
    validation: Mask,
    test: Mask,
    *,
    tally: Tally | None = None,
    candidates: Indices | None = None,
) -> Split:
    """The split with these rows; a row in none of them goes to `other`.

    Args:
        interactions: what is divided.
        train: bool[N].
        validation: bool[N], one row a user, as the test.
        test: bool[N]; no row may be in two of the three.
        tally: the interactions' own if None.
        candidates: of the test holdout, in its order.
    """

    def pairs(rows: Mask) -> Pairs:
        return Pairs(interactions.users[rows], interactions.items[rows])

    return Split(
        interactions.user_ids,
        interactions.item_ids,
        pairs(train),
        pairs(validation),
        pairs(test),
        pairs(~(train | validation | test)),
        labels=None if interactions.labels is None else interactions.labels[train],
        candidates=candidates,
        tally=interactions.tally if tally is None else tally,
    )


def first_of_each_user(users: Indices, rows: Mask) -> Mask:
    """The first of these rows of each user: bool[N].

    Args:
        users: int64[N], sorted, up or down.
        rows: bool[N].
    """
    places = np.flatnonzero(rows)
    first = np.zeros(len(users), dtype=bool)
    first[places[np.diff(users[places], prepend=-1) != 0]] = True
    return first


def last_of_each_user(users: Indices, rows: Mask) -> Mask:
    """The last of these rows of each user, as `first_of_each_user`."""
    return first_of_each_user(users[::-1], rows[::-1])[::-1]


def with_enough(interactions: Interactions) -> Mask:
    """Rows of the users with an interaction each for train, validation and test: bool[N].

    Raises:
        DataError: there is no such user.
    """
    counts = np.bincount(interactions.users, minlength=len(interactions.user_ids))
    enough: Mask = counts[interactions.users] >= MIN_INTERACTIONS
    if not enough.any():
        raise DataError(
            "no user has enough interactions to be evaluated; the largest number is",
            got=int(counts.max(initial=0)),
            allowed=f"at least {MIN_INTERACTIONS} for one user or more",
            do="use a longer log",
        )
    return enough
