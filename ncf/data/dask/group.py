"""What a worker does with the rows of one group of users; each step reads a file and writes another.

The codes of the users are those of the group, from 0. A step that is done again, since a worker was lost, gives the
same.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncf.data.coded import CodedLog, Core, Mask, by_user_and_time
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.dask.coding import ROW, groups_path, rows_path
from ncf.data.faults import Problem
from ncf.data.filters import filter_within_users
from ncf.data.tally import NOTHING_READ, Tally
from ncf.files import new_file


@dataclass(frozen=True)
class Group:
    """Neighbouring users with all their rows.

    Attributes:
        path: file of the rows, by user, then by time, then by place in the log: ROW[N].
        first: code of the first user.
        num_users: how many.
        num_items: of the whole log.
        rows: how many.
    """

    path: Path
    first: int
    num_users: int
    num_items: int
    rows: int = 0

    def read(self) -> CodedLog:
        """The rows; what a log without times has for times is 0."""
        return _log(np.load(self.path), self)

    def written(self, log: CodedLog, path: Path) -> "Group":
        """The group with the rows of this log, in another file."""
        rows = np.empty(len(log), dtype=ROW)
        rows["user"], rows["item"], rows["rating"], rows["time"] = log.users, log.items, log.ratings, log.times
        rows["part"] = 0 if log.parts is None else log.parts
        with new_file(path) as building, building.open("wb") as file:
            np.save(file, rows)
        return replace(self, path=path, rows=len(rows))


@dataclass(frozen=True)
class Filtered:
    """A group after `filter_within_users`."""

    group: Group
    tally: Tally
    problems: list[Problem]


@dataclass(frozen=True)
class Few:
    """Numbers of a few of all items.

    Attributes:
        items: codes.
        numbers: int64[len(items)].
    """

    items: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, numbers: NDArray[np.int64]) -> "Few":
        """From the numbers of all items, of which those that are not 0 are kept."""
        items = np.flatnonzero(numbers)
        return cls(items, numbers[items])


def collect(
    group: Group, number: int, pieces: int, folder: Path, given: bool, filters: FilterConfig, feedback: FeedbackConfig
) -> Filtered:
    """Take a group's rows out of all pieces, in the order of the log, and filter them.

    Args:
        group: with the path to write to.
        number: of the group, from 0.
        pieces: how many there are.
        folder: where they are.
        given: whether the log brings its own split.
        filters: which rows are left out.
        feedback: what a rating means.
    """
    rows = np.concatenate([_taken(folder, piece, number) for piece in range(pieces)])
    rows["user"] -= group.first
    order = by_user_and_time(np.ascontiguousarray(rows["user"]), np.ascontiguousarray(rows["time"]))
    log = _log(rows[order], group)
    log, problems = filter_within_users(log if given else replace(log, parts=None), filters, feedback)
    own = [replace(problem, user=problem.user + group.first) for problem in problems]
    return Filtered(group.written(log, group.path), log.tally, own)


def _taken(folder: Path, piece: int, number: int) -> NDArray[np.void]:
    begin, end = np.load(groups_path(folder, piece), mmap_mode="r")[number : number + 2]
    taken: NDArray[np.void] = np.array(np.load(rows_path(folder, piece), mmap_mode="r")[begin:end])
    return taken


def _log(rows: NDArray[np.void], group: Group) -> CodedLog:
    columns = {name: np.ascontiguousarray(rows[name]) for name in ROW.names or ()}
    return CodedLog(
        np.broadcast_to(np.int32(0), group.num_users),  # ids are not needed here, only how many there are
        np.broadcast_to(np.int32(0), group.num_items),
        columns["user"],
        columns["item"],
        columns["rating"],
        columns["time"],
        parts=columns["part"],
        tally=NOTHING_READ,
    )


def count_users(group: Group) -> NDArray[np.int64]:
    """int64[num_users]: rows of each user of the group."""
    return group.read().user_counts()


def count_items(group: Group) -> Few:
    """Rows of each item in the group."""
    return Few.of(group.read().item_counts())


def items_since(group: Group, time: int) -> NDArray[np.int64]:
    """Codes of the items with a row in the group at this time or later."""
    return np.flatnonzero(group.read().items_since(time))


def keep_users(group: Group, path: Path, stays: Mask) -> Group:
    """The group with these users alone: bool[num_users]."""
    return _kept(group, path, lambda log: log.keep_users(stays, ""))


def keep_items(group: Group, path: Path, stays: Path) -> Group:
    """The group with these items alone: file of bool[num_items]."""
    return _kept(group, path, lambda log: log.keep_items(np.load(stays, mmap_mode="r"), ""))


def peel_round(group: Group, path: Path, min_per_user: int, stays: Path) -> tuple[Group, Few]:
    """One round of `ncf.data.coded.peel`, and the rows that went, of each item."""
    log = group.read()
    core = Core(log.users, log.items, log.user_counts(), group.num_items, min_per_user)
    gone = core.round(np.load(stays, mmap_mode="r"))
    if not gone.any():
        return group, Few.of(gone)
    return group.written(log.keep(core.kept(), ""), path), Few.of(gone)


def _kept(group: Group, path: Path, keep: Callable[[CodedLog], CodedLog]) -> Group:
    log = group.read()
    kept = keep(log)
    return group if len(kept) == len(log) else group.written(kept, path)
