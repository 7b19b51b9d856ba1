"""Everything that is measured of a log to see what has changed since a model was trained."""

from datetime import datetime, timedelta

import numpy as np
from pydantic import BaseModel

from ncf.data.coded import CodedLog
from ncf.data.history import DAY, DayCounts
from ncf.data.times import time_of
from ncf.monitoring.accuracy import Accuracy, measure_accuracy, next_items
from ncf.monitoring.new_interactions import Newcomers, find_new_interactions, newcomers
from ncf.monitoring.popularity import Shift, popularity_shift
from ncf.serving.recommender import Recommender


class Activity(BaseModel):
    """Whole days of UTC before and after the day of the newest interaction that the model was trained on.

    Attributes:
        days_before, days_after: how many.
        per_day_before, per_day_after: interactions per day; a day without any counts as well.
        per_user_before, per_user_after: interactions per day and user who was active on it.
    """

    days_before: int
    days_after: int
    per_day_before: float
    per_day_after: float
    per_user_before: float
    per_user_after: float

    @property
    def ratio(self) -> float:
        """Interactions per day after, divided by those before."""
        return self.per_day_after / self.per_day_before


class Findings(BaseModel):
    """The figures of one check of a log.

    Attributes:
        known: interactions that the model has seen, in train or in its holdouts.
        lost: known interactions that are no longer in the log.
        new: interactions that the model has not seen.
        late: new interactions that are not newer than the model's newest, and so were added afterwards.
        retyped: columns whose ids have changed their type.
        last_time: of the model's newest interaction; None if it or the log has no times.
        newest_time: of the log's newest interaction.
        newcomers: unknown users and items.
        shift: of popularity; None if nothing is new.
        activity: None without times, or without a whole day since.
        accuracy: None if fewer than two users whom the model knows did something since.
    """

    known: int
    lost: int
    new: int
    late: int
    retyped: list[str]
    last_time: datetime | None
    newest_time: datetime | None
    newcomers: Newcomers
    shift: Shift | None
    activity: Activity | None
    accuracy: Accuracy | None

    def figures(self) -> dict[str, float]:
        """What was measured, under the keys of the series in MLflow."""
        figures: dict[str, float] = {
            "known_interactions": self.known,
            "new_interactions": self.new,
            "late_interactions": self.late,
            "lost_share": self.lost_share,
            "growth": self.growth,
            "new_users": self.newcomers.users,
            "new_items": self.newcomers.items,
        }
        if self.new:
            figures["unknown_user_share"] = self.newcomers.user_share
            figures["unknown_item_share"] = self.newcomers.item_share
        if self.shift:
            figures["popularity_psi"] = self.shift.psi
        if self.activity:
            figures |= {"per_day": self.activity.per_day_after, "per_day_before": self.activity.per_day_before}
            figures |= {"per_user": self.activity.per_user_after, "per_user_before": self.activity.per_user_before}
        if self.accuracy:
            figures["users_judged"] = self.accuracy.users
            for name in ("hr", "ndcg", "popularity_hr", "popularity_ndcg", "gain"):
                mean = getattr(self.accuracy, name)
                key = "ndcg_at_10_gain" if name == "gain" else f"{name}_at_10"
                figures |= {key: mean.value, f"{key}_ci95": mean.half_width}
        return {name: float(value) for name, value in figures.items()}

    @property
    def growth(self) -> float:
        """New interactions, divided by the known ones."""
        return self.new / max(1, self.known)

    @property
    def lost_share(self) -> float:
        """Share of the known interactions that are no longer in the log."""
        return self.lost / max(1, self.known)

    def silence(self, now: datetime) -> timedelta | None:
        """How long ago the newest interaction was; None without times."""
        return None if self.newest_time is None else now - self.newest_time


def measure(log: CodedLog, recommender: Recommender, window: int) -> Findings:
    """Compare a log, filtered as the model's was and with one row a pair, with what the model was trained on.

    Activity is compared with that of the last `window` days before the model's newest interaction.
    """
    history = recommender.bundle.history
    new = find_new_interactions(log, recommender.bundle)
    last_time = history.last_time if log.has_times else None
    newest_time = int(log.times.max()) if log.has_times else None
    activity = None
    if last_time is not None and newest_time is not None:
        after = DayCounts.of(log.users, log.times)
        activity = compare_activity(history.by_day, after, last_time, newest_time, window)
    return Findings(
        known=new.known_pairs,
        lost=new.lost_pairs,
        new=len(new),
        late=int(np.count_nonzero(~new.since(last_time))),
        retyped=list(new.retyped),
        last_time=None if last_time is None else time_of(last_time),
        newest_time=None if newest_time is None else time_of(newest_time),
        newcomers=newcomers(new),
        shift=popularity_shift(history, new.item_counts) if len(new) else None,
        activity=activity,
        accuracy=measure_accuracy(recommender, next_items(new, last_time)),
    )


def compare_activity(
    before: DayCounts, after: DayCounts, last_time: int, newest_time: int, window: int
) -> Activity | None:
    """Compare the last days before the model with all days since. The days that may be incomplete are left out.

    Args:
        before: of what the model was trained on.
        after: of the log as it is now.
        last_time: of the newest interaction that the model was trained on, microseconds since 1970.
        newest_time: of the log's newest interaction.
        window: days before that count, at most; the log's first day counts as a whole one.

    Returns:
        None if there is no whole day on either side, or none of the days before has any interactions.
    """
    horizon, newest = last_time // DAY, newest_time // DAY
    first = max(horizon - window, int(before.days[0])) if len(before.days) else horizon
    days_before, days_after = horizon - first, newest - horizon - 1
    if days_before < 1 or days_after < 1:
        return None
    then, then_users = _sums(before, first, horizon)
    now, now_users = _sums(after, horizon + 1, newest)
    if not then:
        return None
    return Activity(
        days_before=days_before,
        days_after=days_after,
        per_day_before=then / days_before,
        per_day_after=now / days_after,
        per_user_before=then / then_users,
        per_user_after=now / max(1, now_users),
    )


def _sums(counts: DayCounts, start: int, stop: int) -> tuple[int, int]:
    """Interactions, and active users of each day added up, from a day up to and without another."""
    inside = (counts.days >= start) & (counts.days < stop)
    return int(counts.interactions[inside].sum()), int(counts.users[inside].sum())
