"""When the observed pairs of a log came: what newer ones are compared with."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from ncf.data.coded import stable_order
from ncf.data.interactions import Indices, Interactions
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
    def of(cls, users: Indices, times: Microseconds) -> Self:
        """Count pairs.

        Args:
            users: int64[N], indices from 0.
            times: int64[N], microseconds since 1970.
        """
        every_day = times // DAY
        days, interactions = np.unique(every_day, return_counts=True)
        span = int(users.max(initial=0)) + 1
        active = np.unique(every_day * span + users) // span
        return cls(days, interactions, np.unique(active, return_counts=True)[1])

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
        in_time = stable_order(times)[1]
        newest = items[in_time[-max(1, round(RECENT_SHARE * len(items))) :]]
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

    def item_columns(self) -> dict[str, Indices]:
        """Columns of a table of the items."""
        return {EARLY: self.early, RECENT: self.recent}
