"""When the observed pairs of a log came: what newer ones are compared with."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data import Indices
from ncf.data.interactions import Interactions
from ncf.data.times import Microseconds

DAY = 86_400 * 10**6  # microseconds
EARLY, RECENT = "early", "recent"
RECENT_SHARE = 0.1  # of the pairs; enough of them for a distribution, and near enough to what comes next


@dataclass(frozen=True)
class DayCounts:
    """Interactions by day of UTC.

    Attributes:
        days: int64[D], days since 1970 that have any, ascending.
        interactions: int64[D], on that day.
        users: int64[D], who were active on that day.
    """

    days: Indices
    interactions: Indices
    users: Indices

    @classmethod
    def of(cls, users: Indices | NDArray[np.int32], times: Microseconds) -> Self:
        """Count pairs.

        Args:
            users: int[N], indices, each user's rows together.
            times: int64[N], microseconds since 1970, each user's in order.
        """
        every_day = (times // DAY).astype(np.int32)
        begins = np.ones(len(users), dtype=bool)  # of what a user did on a day
        begins[1:] = (every_day[1:] != every_day[:-1]) | (users[1:] != users[:-1])
        interactions, active = np.bincount(every_day), np.bincount(every_day[begins])
        days = np.flatnonzero(interactions)
        return cls(days, interactions[days], active[days])

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Self:
        """What `frame` made."""
        return cls(*(frame[name].to_numpy(np.int64, copy=True) for name in ("day", "interactions", "users")))

    def frame(self) -> pd.DataFrame:
        """One row a day: day, interactions, users."""
        return pd.DataFrame({"day": self.days, "interactions": self.interactions, "users": self.users})


@dataclass(frozen=True)
class History:
    """When the pairs of a data set came.

    Attributes:
        early: int64[num_items], pairs of each item without the newest tenth of all pairs.
        recent: int64[num_items], those of the newest tenth. Without times both are all pairs.
        by_day: none without times.
        last_time: of the newest pair, microseconds since 1970; None without times.
    """

    early: Indices
    recent: Indices
    by_day: DayCounts
    last_time: int | None

    @classmethod
    def of(cls, interactions: Interactions) -> Self:
        """Look at all pairs, of every split."""
        num_items, items, times = len(interactions.item_ids), interactions.items, interactions.times
        if times is None:
            return cls.timeless(np.bincount(items, minlength=num_items))
        newest = items[_newest(times, max(1, round(RECENT_SHARE * len(items))))]
        recent = np.bincount(newest, minlength=num_items)
        early = np.bincount(items, minlength=num_items) - recent
        return cls(early, recent, DayCounts.of(interactions.users, times), int(times.max()))

    @classmethod
    def timeless(cls, counts: Indices) -> Self:
        """Of a log without times: int64[num_items] pairs of each item."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(counts, counts, DayCounts(nothing, nothing, nothing), None)

    @classmethod
    def of_frames(cls, items: pd.DataFrame, days: pd.DataFrame, last_time: int | None) -> Self:
        """From one row an item, with `item_columns`, and one a day, as `by_day.frame` made it."""
        early, recent = (items[name].to_numpy(np.int64, copy=True) for name in (EARLY, RECENT))
        return cls(early, recent, DayCounts.of_frame(days), last_time)

    @property
    def extent(self) -> tuple[int, int]:
        """Last time (0 without times) and number of pairs: of two states of a log, the newer one has the larger."""
        pairs = self.early if self.last_time is None else self.early + self.recent
        return self.last_time or 0, int(pairs.sum())

    @property
    def has_order(self) -> bool:
        """Whether it is known which of a user's pairs are the newest."""
        return self.last_time is not None

    def item_columns(self) -> dict[str, Indices]:
        """Columns of a table of the items."""
        return {EARLY: self.early, RECENT: self.recent}


def _newest(times: Microseconds, number: int) -> NDArray[np.bool_]:
    """bool[N]: so many of the newest; of those of one time the last ones."""
    limit = np.partition(times, -number)[-number]  # half of what sorting takes
    newest: NDArray[np.bool_] = times > limit
    newest[np.flatnonzero(times == limit)[np.count_nonzero(newest) - number :]] = True
    return newest
