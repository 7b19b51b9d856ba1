"""Is as much going on as before? Interactions per day, and per active user."""

from pydantic import BaseModel

from ncf.data.history import DAY, DayCounts


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
