"""A coded log in groups of users, filtered by the workers; for `ncf.data.filters`, it is a log like another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from ncf.data.coded import CodedLog, Counts, Mask, Round
from ncf.data.dask import group as steps
from ncf.data.dask.cluster import Workers
from ncf.data.dask.group import Few, Group
from ncf.data.dask.ids import FoundIds
from ncf.data.tally import Tally


@dataclass(frozen=True)
class GroupedLog:
    """One row a pair, in files.

    Attributes:
        workers: who do it.
        folder: for the files.
        groups: in the order of the users.
        step: number of the last step, for the names of the files.
        tally: what became of the rows so far.
    """

    workers: Workers
    folder: Path
    groups: Sequence[Group]
    tally: Tally
    step: int = 0

    def __len__(self) -> int:
        return sum(group.rows for group in self.groups)

    def user_counts(self) -> Counts:
        """int64[number of users]: rows of each user."""
        return np.concatenate(list(self._each("Counting users", steps.count_users)))

    def item_counts(self) -> Counts:
        """int64[number of items]: rows of each item."""
        return self._added(self._each("Counting items", steps.count_items))

    def items_since(self, time: int) -> Mask:
        """bool[number of items]: items with a row at this time or later."""
        there = np.zeros(self.groups[0].num_items, dtype=bool)
        for items in self._each("Finding active items", steps.items_since, time):
            there[items] = True
        return there

    def keep_users(self, stays: Mask, reason: str) -> Self:
        """The log with these users alone."""
        own = [stays[group.first : group.first + group.num_users] for group in self.groups]
        kept = self.workers.each("Leaving out users", steps.keep_users, self.groups, self._paths(), own)
        return self._after(list(kept), reason)

    def keep_items(self, stays: Mask, reason: str) -> Self:
        """The log with these items alone."""
        kept = self._each_with_path("Leaving out items", steps.keep_items, self._written(stays))
        return self._after(list(kept), reason)

    def peeled(self, min_per_user: int, rounds: Callable[[Round], str]) -> Self:
        """The log after rounds of leaving out users with too few rows, under the reason that `rounds` gives."""
        log = self

        def a_round(stays: Mask) -> Counts:
            nonlocal log
            done = log._each_with_path("A round of the k-core", steps.peel_round, min_per_user, log._written(stays))
            groups, gone = zip(*done, strict=True)
            log = log._moved(groups)
            return log._added(gone)

        reason = rounds(a_round)
        return replace(log, tally=self.tally.drop(reason, len(self) - len(log)))

    def gathered(self, users: FoundIds, items: FoundIds, *, has_times: bool, given: bool, rated: bool) -> CodedLog:
        """All rows in this process.

        Args:
            users: all ids.
            items: all ids.
            has_times: whether the log has times.
            given: whether the log brings its own split.
            rated: whether the ratings are wanted; else all are 1.
        """
        size = len(self)
        log = CodedLog(
            users.ids,
            items.ids,
            np.empty(size, np.int32),
            np.empty(size, np.int32),
            np.empty(size, np.float64) if rated else np.broadcast_to(np.float64(1), size),
            np.empty(size, np.int64) if has_times else np.broadcast_to(np.int64(0), size),
            has_times,
            np.empty(size, np.int8) if given else None,
            tally=self.tally,
        )
        begin = 0
        for group in self.groups:
            rows = np.load(group.path, mmap_mode="r")
            here = slice(begin, begin + len(rows))
            log.users[here], log.items[here] = rows["user"] + np.int32(group.first), rows["item"]
            for column, name in ((log.ratings, "rating"), (log.times, "time"), (log.parts, "part")):
                if column is not None and column.flags.writeable:
                    column[here] = rows[name]
            begin = here.stop
        return log

    def _each(self, what: str, step: Callable[..., Any], *arguments: object) -> Any:
        return self.workers.each(what, step, self.groups, *([argument] * len(self.groups) for argument in arguments))

    def _each_with_path(self, what: str, step: Callable[..., Any], *arguments: object) -> Any:
        same = ([argument] * len(self.groups) for argument in arguments)
        return self.workers.each(what, step, self.groups, self._paths(), *same)

    def _paths(self) -> list[Path]:
        return [self.folder / f"{number:06}.{self.step + 1}.npy" for number in range(len(self.groups))]

    def _written(self, stays: Mask) -> Path:
        path = self.folder / f"stays.{self.step + 1}.npy"
        np.save(path, stays)
        return path

    def _added(self, numbers: Any) -> Counts:
        total = np.zeros(self.groups[0].num_items, dtype=np.int64)
        few: Few
        for few in numbers:
            total[few.items] += few.numbers
        return total

    def _after(self, groups: Sequence[Group], reason: str) -> Self:
        moved = self._moved(groups)
        return replace(moved, tally=self.tally.drop(reason, len(self) - len(moved)))

    def _moved(self, groups: Sequence[Group]) -> Self:
        """After a step; the files of the one before are removed."""
        for before, after in zip(self.groups, groups, strict=True):
            if before.path != after.path:
                before.path.unlink()
        return replace(self, groups=groups, step=self.step + 1)
