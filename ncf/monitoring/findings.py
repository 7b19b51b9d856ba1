"""Everything that is measured of a log to see what has changed since a model was trained.

The popularity shift is the population stability index (PSI) over classes of popularity: the sum over the classes b of
(q_b - p_b) ln(q_b / p_b), where p_b and q_b are the shares of the interactions before and after that went to the items
of class b. It is 0 for equal shares, and the same in both directions.
"""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ncf.data import Indices
from ncf.data.coded import CodedLog
from ncf.data.history import DAY, DayCounts, History
from ncf.data.times import time_of
from ncf.monitoring.accuracy import Accuracy, measure_accuracy, next_items
from ncf.monitoring.new_interactions import Newcomers, find_new_interactions, newcomers
from ncf.serving.recommender import Recommender

Shares = NDArray[np.float64]

CLASSES = 10  # of popularity, each with a tenth of the interactions; the usual number of PSI's bins
SMOOTHING = 0.5  # interactions added to a class, so that an empty one has a logarithm


class Shift(BaseModel):
    """Shares of the interactions by class, the most popular class first; the last class is items that nobody had.

    Attributes:
        psi: see the module.
        by_chance: mean of PSI if nothing has changed, by the number of interactions alone.
        before: shares of the newest tenth of the model's interactions.
        after: shares of the new interactions.
    """

    psi: float
    by_chance: float
    before: list[float]
    after: list[float]


def popularity_shift(history: History, new_counts: Indices) -> Shift:
    """Compare the newest tenth of the model's interactions with the new ones.

    Items are classed by their interactions before that tenth, so that both sides are newer than their classes. The
    whole past would be a bad yardstick: users never have an item twice, so new interactions are always less popular.

    Args:
        history: of the model's data.
        new_counts: int64[at least the model's num_items], new interactions of each item, unknown items at the end.
    """
    unknown = len(new_counts) - len(history.early)
    classes = np.append(popularity_classes(history.early), np.full(unknown, CLASSES))
    before = _per_class(classes, np.append(history.recent, np.zeros(unknown, dtype=np.int64)))
    after = _per_class(classes, new_counts)
    return Shift(
        psi=psi(before, after),
        by_chance=psi_by_chance(int(before.sum()), int(after.sum()), CLASSES + 1),
        before=_shares(before).tolist(),
        after=_shares(after).tolist(),
    )


def popularity_classes(counts: Indices, classes: int = CLASSES) -> Indices:
    """Class of each item, from 0 for the most popular; all classes have about the same number of interactions.

    Items are laid end to end, the most popular first, each as long as its interactions; an item's class is where its
    middle lies. Ties are in the catalogue's order. Items without interactions are in a class of their own, the last.
    Some classes stay empty if one item has more than its share.
    """
    if not counts.any():
        return np.full(len(counts), classes, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    ordered = counts[order]
    middle = (ordered.cumsum() - ordered / 2) / counts.sum()
    found = np.empty(len(counts), dtype=np.int64)
    found[order] = np.where(ordered > 0, np.minimum(middle * classes, classes - 1), classes).astype(np.int64)
    return found


def psi(before: Indices, after: Indices, smoothing: float = SMOOTHING) -> float:
    """Population stability index of two sets of interactions by class, int64[B] each; equal shares give 0.

    The smoothing is a number of interactions that is added to every class, as a share of the smaller set.
    """
    added = smoothing / max(1, min(int(before.sum()), int(after.sum())))
    p, q = (_shares(counts) + added for counts in (before, after))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_by_chance(before: int, after: int, classes: int) -> float:
    """Mean of PSI for samples of N (before) and M (after) interactions of one distribution over B classes.

    (B - 1) (1/N + 1/M), as for chi-square; infinite for no sample.
    """
    return (classes - 1) * (1 / before + 1 / after) if before and after else float("inf")


def _per_class(classes: Indices, counts: Indices) -> Indices:
    return np.bincount(classes, weights=counts, minlength=CLASSES + 1).astype(np.int64)


def _shares(counts: Indices) -> Shares:
    return counts.astype(np.float64) / max(1, int(counts.sum()))


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
