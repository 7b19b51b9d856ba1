"""What is trained on, and what is held out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ncf.data.config import SplitConfig
from ncf.data.interactions import Ids, Indices, Interactions
from ncf.data.tally import NOTHING_READ, Tally
from ncf.errors import ConfigError, DataError

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


def joined(parts: Sequence[Pairs]) -> Pairs:
    """The pairs of several splits, one after the other."""
    return Pairs(np.concatenate([p.users for p in parts]), np.concatenate([p.items for p in parts]))


@dataclass(frozen=True)
class Split:
    """Interactions divided.

    Attributes:
        user_ids, item_ids: outside ids; position = index.
        train: sorted by user, then time.
        validation, test: one pair a user.
        other: observed, but in no split: neither learned nor evaluated, nor offered as unseen.
        labels: float32[len(train)] in [0, 1], for explicit feedback; None where every label is 1.
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
    candidates: Indices | None = None
    tally: Tally = NOTHING_READ


def split_interactions(interactions: Interactions, config: SplitConfig) -> Split:
    """Divide the interactions in the way that is asked for."""
    if config.kind != "leave-one-out":
        raise ConfigError("this split can't be made yet", got=config.kind, allowed="leave-one-out")
    return leave_one_out(interactions)


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
        interactions.user_ids,
        interactions.item_ids,
        pairs(~(test | validation)),
        pairs(validation),
        pairs(test),
        tally=interactions.tally,
    )
