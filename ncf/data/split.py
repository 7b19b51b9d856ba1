"""What is trained on, and what is held out: the values. How they are made is in `ncf.data.splits`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncf.data import Ids, Indices
from ncf.data.interactions import Interactions
from ncf.data.ratings import NOTHING_READ, Tally
from ncf.errors import DataError

Mask: TypeAlias = NDArray[np.bool_]

MIN_INTERACTIONS = 3  # one each for train, validation and test


@dataclass(frozen=True)
class Pairs:
    """Parallel int64 index arrays: user `users[n]` met item `items[n]`."""

    users: Indices
    items: Indices

    def __len__(self) -> int:
        return len(self.users)


def no_pairs() -> Pairs:
    """None at all."""
    return Pairs(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def concat_pairs(splits: Sequence[Pairs]) -> Pairs:
    """The pairs of several splits, one after the other."""
    return Pairs(np.concatenate([p.users for p in splits]), np.concatenate([p.items for p in splits]))


@dataclass(frozen=True)
class Split:
    """Interactions divided.

    Attributes:
        user_ids, item_ids: outside ids; position = index.
        train: sorted by user, then time.
        validation, test: one pair a user.
        other: observed, but in no split: neither learned nor evaluated, nor offered as unseen.
        labels: float32[len(train)] in [0, 1], for explicit feedback; None where every label is 1.
        held_out_labels: float32 labels of validation, test and other, one after the other, as `labels`.
        candidates: int64[len(test), C], the source's own candidates of the test holdout, -1 pads; None draws them.
        tally: what became of the rows.
    """

    user_ids: Ids
    item_ids: Ids
    train: Pairs
    validation: Pairs
    test: Pairs
    other: Pairs = field(default_factory=no_pairs)
    labels: NDArray[np.float32] | None = None
    held_out_labels: NDArray[np.float32] | None = None
    candidates: Indices | None = None
    tally: Tally = NOTHING_READ


def split_rows(
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

    other = ~(train | validation | test)
    labels = interactions.labels
    return Split(
        interactions.user_ids,
        interactions.item_ids,
        pairs(train),
        pairs(validation),
        pairs(test),
        pairs(other),
        labels=None if labels is None else labels[train],
        held_out_labels=None
        if labels is None
        else np.concatenate([labels[rows] for rows in (validation, test, other)]),
        candidates=candidates,
        tally=interactions.tally if tally is None else tally,
    )


def first_of_each_user(users: Indices, rows: Mask) -> Mask:
    """The first of these rows of each user: bool[N].

    Args:
        users: int64[N], sorted, up or down.
        rows: bool[N].
    """
    indices = np.flatnonzero(rows)
    first = np.zeros(len(users), dtype=bool)
    first[indices[np.diff(users[indices], prepend=-1) != 0]] = True
    return first


def last_of_each_user(users: Indices, rows: Mask) -> Mask:
    """The last of these rows of each user, as `first_of_each_user`."""
    return first_of_each_user(users[::-1], rows[::-1])[::-1]


def rows_of_evaluable_users(interactions: Interactions) -> Mask:
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
