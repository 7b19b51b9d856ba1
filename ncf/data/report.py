"""What was read, dropped and kept, in a table that a person reads."""

from datetime import UTC, datetime

from pydantic import BaseModel

from ncf.data.prepared import PreparedData
from ncf.data.tally import Tally


class DataReport(BaseModel):
    """The numbers of one preparation.

    Attributes:
        dropped: reason -> rows.
        first_time, last_time: of the rows read; None without times.
        cold_users: users in the holdouts that have nothing in train.
        notes: what was decided for the user.
    """

    rows_read: int
    dropped: dict[str, int]
    repeated_pairs: int
    users: int
    items: int
    train: int
    validation: int
    test: int
    density: float
    first_time: datetime | None
    last_time: datetime | None
    cold_users: int
    notes: list[str]

    @classmethod
    def of(cls, data: PreparedData, tally: Tally) -> "DataReport":
        """Put the numbers together."""
        interactions = len(data.everything)
        trained = set(data.train.users.tolist())
        held_out = set(data.validation.pairs.users.tolist()) | set(data.test.pairs.users.tolist())
        return cls(
            rows_read=tally.rows_read,
            dropped=dict(tally.dropped),
            repeated_pairs=tally.repeated_pairs,
            users=data.num_users,
            items=data.num_items,
            train=len(data.train),
            validation=len(data.validation),
            test=len(data.test),
            density=interactions / (data.num_users * data.num_items),
            first_time=_time(tally.first_time),
            last_time=_time(tally.last_time),
            cold_users=len(held_out - trained),
            notes=list(tally.notes),
        )

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) for a table."""
        span = "unknown" if self.first_time is None else f"{self.first_time:%Y-%m-%d} to {self.last_time:%Y-%m-%d}"
        return [
            ("rows read", f"{self.rows_read:,}"),
            *((f"dropped: {reason}", f"{rows:,}") for reason, rows in self.dropped.items()),
            ("repeated pairs", f"{self.repeated_pairs:,}"),
            ("users", f"{self.users:,}"),
            ("items", f"{self.items:,}"),
            ("interactions to train on", f"{self.train:,}"),
            ("users to validate, to test", f"{self.validation:,}, {self.test:,}"),
            ("density", f"{self.density:.4%}"),
            ("time span", span),
            ("held-out users unknown to train", f"{self.cold_users:,}"),
            *(("note", text) for text in self.notes),
        ]

    def text(self) -> str:
        """The table for a terminal or a log."""
        width = max(len(what) for what, _ in self.rows())
        return "\n".join(f"  {what:<{width}}  {value}" for what, value in self.rows())

    def markdown(self) -> str:
        """The table for an artifact."""
        lines = [f"| {what} | {value} |" for what, value in self.rows()]
        return "\n".join(["| | |", "| --- | --- |", *lines]) + "\n"


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1e6, UTC)
