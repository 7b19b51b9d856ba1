"""All that is measured of what has changed since a model was trained."""

from datetime import datetime, timedelta

import numpy as np
from pydantic import BaseModel

from ncf.data.coded import CodedLog
from ncf.data.history import DayCounts
from ncf.data.times import time_of
from ncf.monitoring.accuracy import Accuracy, measure_accuracy, next_items
from ncf.monitoring.activity import Activity, compare_activity
from ncf.monitoring.arrived import Newcomers, find_arrived, newcomers
from ncf.monitoring.popularity import Shift, popularity_shift
from ncf.serving.recommender import Recommender


class Findings(BaseModel):
    """The figures of one look at a log.

    Attributes:
        known: interactions that the model has seen, in training or in its holdouts.
        lost: of these, no longer in the log.
        new: interactions that it has not seen.
        late: of the new ones, not newer than the model's newest, and so added afterwards.
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
        """What was measured, under keys for charts over time."""
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
        """Share of the known interactions that the log has no more."""
        return self.lost / max(1, self.known)

    def silence(self, now: datetime) -> timedelta | None:
        """How long ago the newest interaction was; None without times."""
        return None if self.newest_time is None else now - self.newest_time


def measure(log: CodedLog, recommender: Recommender, window: int) -> Findings:
    """Compare a log with what a model was trained on.

    Args:
        log: filtered as the model's was, one row a pair.
        recommender: the model, with all items to choose from.
        window: days before the model's newest interaction with which the activity since is compared.
    """
    history = recommender.bundle.history
    arrived = find_arrived(log, recommender.bundle)
    last_time = history.last_time if log.has_times else None
    return Findings(
        known=arrived.known_pairs,
        lost=arrived.lost_pairs,
        new=len(arrived),
        late=int(np.count_nonzero(~arrived.since(last_time))),
        retyped=list(arrived.retyped),
        last_time=None if last_time is None else time_of(last_time),
        newest_time=time_of(int(log.times.max())) if log.has_times else None,
        newcomers=newcomers(arrived),
        shift=popularity_shift(history, arrived.item_counts) if len(arrived) else None,
        activity=_activity(log, recommender, last_time, window),
        accuracy=measure_accuracy(recommender, next_items(arrived, last_time)),
    )


def _activity(log: CodedLog, recommender: Recommender, last_time: int | None, window: int) -> Activity | None:
    if last_time is None:
        return None
    before, after = recommender.bundle.history.by_day, DayCounts.of(log.users, log.times)
    return compare_activity(before, after, last_time, int(log.times.max()), window)
