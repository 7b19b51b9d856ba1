import numpy as np
import pytest

from ncf.data.history import DAY, DayCounts
from ncf.monitoring.findings import Activity, compare_activity

NOON = DAY // 2


def days(**counts: tuple[int, int]) -> DayCounts:
    """Interactions and users, by d7 for day 7."""
    table = [(int(day[1:]), *values) for day, values in counts.items()]
    return DayCounts(*np.array(table, dtype=np.int64).reshape(-1, 3).T)


def test_whole_days_alone_count_and_quiet_ones_as_well() -> None:
    before = days(d10=(4, 2), d12=(8, 4), d14=(100, 50))  # the model's newest interaction is on day 14
    after = days(d10=(4, 2), d12=(8, 4), d14=(120, 60), d15=(9, 3), d18=(3, 1), d20=(77, 7))  # the log's on day 20
    found = compare_activity(before, after, 14 * DAY + NOON, 20 * DAY + NOON, window=28)
    # days 10 to 13 have 12 interactions of 6 users, days 15 to 19 have 12 of 4
    assert found == Activity(
        days_before=4, days_after=5, per_day_before=3, per_day_after=2.4, per_user_before=2, per_user_after=3
    )
    assert found.ratio == pytest.approx(0.8)


def test_the_window_takes_the_last_days_before() -> None:
    before, after = days(d1=(1000, 1), d12=(8, 4), d14=(1, 1)), days(d15=(4, 1))
    found = compare_activity(before, after, 14 * DAY, 16 * DAY, window=2)
    assert found is not None
    assert (found.days_before, found.per_day_before, found.days_after, found.per_day_after) == (2, 4, 1, 4)


def test_days_without_anyone_after_are_zero() -> None:
    found = compare_activity(days(d10=(4, 2), d11=(1, 1)), days(d14=(1, 1)), 11 * DAY, 14 * DAY, window=28)
    assert found is not None
    assert (found.per_day_after, found.per_user_after, found.ratio) == (0, 0, 0)


@pytest.mark.parametrize(
    ("before", "last", "newest"),
    [
        (days(d10=(4, 2)), 10, 20),  # all before is on the day of the newest
        (days(d10=(4, 2), d12=(1, 1)), 12, 13),  # no whole day since
        (days(d10=(4, 2), d12=(1, 1)), 12, 11),  # the log ends before
        (days(), 12, 20),
    ],
)
def test_without_a_whole_day_on_either_side_nothing_is_said(before: DayCounts, last: int, newest: int) -> None:
    assert compare_activity(before, days(d15=(9, 3)), last * DAY, newest * DAY, window=28) is None


def test_a_window_without_interactions_says_nothing() -> None:
    assert compare_activity(days(d1=(4, 2), d50=(1, 1)), days(d51=(9, 3)), 50 * DAY, 53 * DAY, window=7) is None
