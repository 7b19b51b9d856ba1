"""What is trained on, and what is held out: the values. How they are made is in `ncf.data.splits`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ncf.data.interactions import Ids, Indices
from ncf.data.tally import NOTHING_READ, Tally


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
