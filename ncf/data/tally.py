"""What became of the rows of a log on their way to a prepared data set."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class Tally:
    """Rows read, rows dropped and why, and what else the user must know; handed from stage to stage.

    Attributes:
        rows_read: rows of the source.
        dropped: (reason, rows), in the order of the stages; a stage that dropped none is left out.
        repeated_pairs: rows whose pair had been there before.
        first_time, last_time: microseconds since the epoch, of the rows read; None without times.
        notes: what was decided for the user, such as a random split for want of times.
    """

    rows_read: int = 0
    dropped: tuple[tuple[str, int], ...] = ()
    repeated_pairs: int = 0
    first_time: int | None = None
    last_time: int | None = None
    notes: tuple[str, ...] = ()

    def drop(self, reason: str, rows: int) -> Self:
        """The tally after a stage that left out so many rows; a reason that comes again is added up."""
        if not rows:
            return self
        before = dict(self.dropped)
        return replace(self, dropped=tuple((before | {reason: before.get(reason, 0) + rows}).items()))

    def note(self, text: str) -> Self:
        """The tally with one more note; the same words twice are one note."""
        return self if text in self.notes else replace(self, notes=(*self.notes, text))


NOTHING_READ = Tally()
