"""What was read, dropped and kept, in a table that a person reads."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ncf.data import Indices
from ncf.data.ratings import Tally
from ncf.data.times import time_of

if TYPE_CHECKING:
    from ncf.data.prepared import PreparedData


WITHOUT_CANDIDATES = (
    "evaluated users with no unseen item to rank with theirs, which so comes first in the sampled protocol"
)


class DataReport(BaseModel):
    """The numbers of one preparation; `model_dump_json()` gives them as JSON.

    Attributes:
        dropped: reason -> rows.
        interactions: observed pairs that were kept: train, validation, test and other.
        density: share of all user-item pairs that are observed.
        first_time, last_time: of the rows read; None without times.
        cold_users: users in the holdouts that have nothing in train.
        cold_items: items in the holdouts that nobody has in train.
        users_evaluated: users with a validation or a test item.
        train_only_users: users in train with neither.
        users_with_every_item: users with nothing left to recommend.
        notes: what was decided for the user.
    """

    rows_read: int
    dropped: dict[str, int]
    repeated_pairs: int
    users: int
    items: int
    interactions: int
    train: int
    validation: int
    test: int
    density: float
    first_time: datetime | None
    last_time: datetime | None
    cold_users: int
    cold_items: int
    users_evaluated: int
    train_only_users: int
    users_with_every_item: int
    notes: list[str]

    @classmethod
    def of(cls, data: "PreparedData", tally: Tally) -> Self:
        """Put the numbers together."""
        validation, test, everything = data.validation.pairs, data.test.pairs, data.everything
        learned, evaluated = _marked(data.num_users, data.train.users), _marked(data.num_users, validation.users)
        evaluated |= _marked(data.num_users, test.users)
        held_out = _marked(data.num_items, validation.items) | _marked(data.num_items, test.items)
        complete = np.bincount(everything.users, minlength=data.num_users) >= data.num_items
        alone = [holdout.pairs.users[(holdout.candidates < 0).all(axis=1)] for holdout in (data.validation, data.test)]
        if num_alone := len(np.unique(np.concatenate(alone))):
            tally = tally.note(f"{WITHOUT_CANDIDATES}: {num_alone:,}")
        return cls(
            rows_read=tally.rows_read,
            dropped=dict(tally.dropped),
            repeated_pairs=tally.repeated_pairs,
            users=data.num_users,
            items=data.num_items,
            interactions=len(everything),
            train=len(data.train),
            validation=len(validation),
            test=len(test),
            density=len(everything) / (data.num_users * data.num_items),
            first_time=None if tally.first_time is None else time_of(tally.first_time),
            last_time=None if tally.last_time is None else time_of(tally.last_time),
            cold_users=int((evaluated & ~learned).sum()),
            cold_items=int((held_out & (data.item_counts == 0)).sum()),
            users_evaluated=int(evaluated.sum()),
            train_only_users=int((learned & ~evaluated).sum()),
            users_with_every_item=int(complete.sum()),
            notes=list(tally.notes),
        )

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) for a table."""
        return [
            ("rows read", f"{self.rows_read:,}"),
            *((f"dropped: {reason}", f"{rows:,}") for reason, rows in self.dropped.items()),
            ("repeated pairs", f"{self.repeated_pairs:,}"),
            ("users", f"{self.users:,}"),
            ("items", f"{self.items:,}"),
            ("interactions", f"{self.interactions:,}"),
            ("of these to train on", f"{self.train:,}"),
            ("density", f"{self.density:.4%}"),
            ("time span", self._span()),
            ("users evaluated", f"{self.users_evaluated:,}"),
            ("users to validate, to test", f"{self.validation:,}, {self.test:,}"),
            ("users in train only", f"{self.train_only_users:,}"),
            ("held-out users unknown to train", f"{self.cold_users:,}"),
            ("held-out items unknown to train", f"{self.cold_items:,}"),
            ("users with every item", f"{self.users_with_every_item:,}"),
            *(("note", text) for text in self.notes),
        ]

    def text(self) -> str:
        """The table for a terminal or a log."""
        width = max(len(what) for what, _ in self.rows())
        return "\n".join(f"  {what:<{width}}  {value}" for what, value in self.rows())

    def markdown(self) -> str:
        """The table for an artifact."""
        lines = (f"| {_cell(what)} | {_cell(value)} |" for what, value in self.rows())
        return "\n".join(["| what | value |", "| --- | --- |", *lines, ""])

    def _repr_markdown_(self) -> str:
        """What a notebook shows."""
        return self.markdown()

    def _span(self) -> str:
        if self.first_time is None or self.last_time is None:
            return "unknown"
        return f"{self.first_time:%Y-%m-%d %H:%M:%S} to {self.last_time:%Y-%m-%d %H:%M:%S} UTC"


def _marked(size: int, indices: Indices) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    mask[indices] = True
    return mask


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
