"""A log as it was at any moment: what a training would have read, and what happened in the window after it."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from ncf.backtest.plan import Window
from ncf.data import TIMESTAMP, USER_ID, Indices
from ncf.data.coded import CodedLog
from ncf.data.config import DataConfig, FilterConfig
from ncf.data.filters import filter_within_users
from ncf.data.ids import id_bytes
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.ratings import Ratings
from ncf.data.split import Pairs, no_pairs
from ncf.data.times import microseconds_of, time_of
from ncf.errors import DataError
from ncf.prepare import prepare_ratings


@dataclass(frozen=True)
class WindowData:
    """What was known when a window began, and the interactions in it.

    Attributes:
        window: the window.
        data: train holds every pair known at the beginning, without holdouts; items are those known by the end.
        new_pairs: the pairs that happened in the window, sorted by user; any number per user.
    """

    window: Window
    data: PreparedData
    new_pairs: Pairs


@dataclass(frozen=True)
class Replay:
    """A log with times, as of any moment.

    Attributes:
        name: the data set's name.
        ratings: the whole log.
        config: how a training reads the log, without `as_of`, which each moment sets.
    """

    name: str
    ratings: Ratings
    config: DataConfig

    @classmethod
    def of(cls, name: str, ratings: Ratings, config: DataConfig) -> Self:
        """Check a log. `as_of` ends it, and `max_users` selects users once, so that all moments agree.

        Raises:
            DataError: the log has no times or brings its own split, or a rating is out of scale.
        """
        if not ratings.has_times:
            raise DataError(
                "a backtest needs the time of every interaction, and the log has none",
                allowed="a log with times",
                do="set source.columns.timestamp to the log's column with the times",
            )
        if ratings.splits is not None:
            raise DataError(
                "a backtest splits the log by time, and this log brings its own split",
                allowed="one log without a split",
                do="give the whole log as source.path alone",
            )
        filters = config.filters.model_copy(update={"as_of": None, "max_users": None})
        replayed = cls(name, _cut(ratings, config.filters), config.model_copy(update={"filters": filters}))
        replayed._as_of(replayed.span[1] + 1)
        return replayed

    @cached_property
    def log(self) -> CodedLog:
        """The whole log as codes."""
        return CodedLog.of(self.ratings)

    @cached_property
    def span(self) -> tuple[int, int]:
        """First and last time, microseconds since the epoch."""
        return int(self.log.times.min()), int(self.log.times.max())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of ids, rows and times: the same content gives the same value anywhere."""
        log, digest = self.log, hashlib.sha256()
        for array in (id_bytes(log.user_ids), id_bytes(log.item_ids), log.users, log.items, log.ratings, log.times):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def before(self, moment: int) -> PreparedData:
        """What a training at this moment (microseconds since the epoch) would have read, with holdouts of its own.

        Raises:
            DataError: too little was there to train on.
        """
        return prepare_ratings(self.ratings, self.config_at(moment), name=self.name)

    def config_at(self, moment: int) -> DataConfig:
        """The settings of a training at this moment."""
        filters = self.config.filters.model_copy(update={"as_of": time_of(moment)})
        return self.config.model_copy(update={"filters": filters})

    def window_data(self, window: Window) -> WindowData:
        """The new pairs of a window: those that count at its end, and did not at its beginning."""
        known, later = self._as_of(window.begin), self._as_of(window.end)
        new = later.keep(~np.isin(_keys(later), _keys(known)), "known before")
        present = (known.item_counts() + new.item_counts()) > 0
        item_of: Indices = np.cumsum(present) - 1
        nothing = Holdout(no_pairs(), np.empty((0, 0), dtype=np.int64))
        data = PreparedData(
            self.name,
            self.log.user_ids,
            self.log.item_ids[present],
            _pairs(known, item_of),
            nothing,
            nothing,
            np.full(int(present.sum()), "", dtype=object),
        )
        return WindowData(window, data, _pairs(new, item_of))

    def _as_of(self, moment: int) -> CodedLog:
        """The interactions that counted then; only the users' own rows decide, as in serving."""
        filters = FilterConfig(as_of=time_of(moment), repeated=self.config.filters.repeated)
        return filter_within_users(self.log, filters, self.config.feedback)


def _cut(ratings: Ratings, filters: FilterConfig) -> Ratings:
    frame = ratings.frame
    if filters.as_of is not None:
        frame = frame[frame[TIMESTAMP] < microseconds_of(filters.as_of)]
    if filters.max_users is not None:
        frame = frame[frame[USER_ID].isin(sorted(frame[USER_ID].unique())[: filters.max_users])]
    if frame.empty:
        raise DataError(
            "no row is left for the backtest: data.filters.as_of is too early",
            got=str(filters.as_of),
            do="set a later time, or leave it out",
        )
    return replace(ratings, frame=frame.reset_index(drop=True))


def _keys(log: CodedLog) -> Indices:
    """One number per pair: int64[N]."""
    return log.users.astype(np.int64) * len(log.item_ids) + log.items


def _pairs(log: CodedLog, item_of: Indices) -> Pairs:
    return Pairs(log.users.astype(np.int64), item_of[log.items])
