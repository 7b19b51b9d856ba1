import re

import pytest

from ncf.backtest.plan import PATTERN, Plan, Policy, make_plan
from ncf.data.history import DAY
from ncf.errors import DataError

MONDAY = 10_000 * DAY


def plan(days: int, *policies: str, window_days: int = 7, start: int | None = None) -> Plan:
    """Of a log that begins an hour after a midnight and ends an hour before another."""
    span = (MONDAY + DAY // 24, MONDAY + days * DAY - DAY // 24)
    return make_plan(span, [Policy.named(name) for name in policies], window_days, start)


def days_of(moments: list[int]) -> list[float]:
    return [(moment - MONDAY) / DAY for moment in moments]


@pytest.mark.parametrize(
    ("name", "days"), [("never", None), ("weekly", 7), ("monthly", 28), ("daily", 1), ("10d", 10), ("365d", 365)]
)
def test_a_policy_is_known_by_its_name(name: str, days: int | None) -> None:
    assert Policy.named(name) == Policy(name, days)
    assert re.search(PATTERN, name)


@pytest.mark.parametrize("name", ["", "fortnightly", "0d", "-3d", "1.5d", "d", "10", "Weekly", "10 d", "٣d"])
def test_another_name_is_refused_with_those_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="unknown policy .*never, monthly, weekly, daily, .*10d"):
        Policy.named(name)
    assert not re.search(PATTERN, name)


def test_a_quarter_of_the_log_comes_before_the_first_training() -> None:
    made = plan(85, "weekly")  # twelve weeks and a day
    assert [(window.begin - MONDAY) / DAY for window in made.windows] == [21, 28, 35, 42, 49, 56, 63, 70, 77]
    assert all(window.end - window.begin == 7 * DAY for window in made.windows)
    assert [window.number for window in made.windows] == list(range(1, 10))


def test_the_last_days_are_no_window_unless_they_are_whole() -> None:
    assert len(plan(28, "weekly").windows) == 3
    assert len(plan(27, "weekly").windows) == 2
    assert len(plan(34, "weekly").windows) == 3
    at_midnight = make_plan((MONDAY, MONDAY + 27 * DAY), [Policy.named("weekly")])
    assert len(at_midnight.windows) == 3, "a day of which only the beginning is there is a day"


def test_each_policy_trains_at_its_own_moments_and_shares_those_of_others() -> None:
    made = plan(85, "weekly", "monthly", "10d", "never")
    weekly, monthly, ten, never = made.policies
    assert days_of(made.moments(weekly)) == [21, 28, 35, 42, 49, 56, 63, 70, 77]
    assert days_of(made.moments(monthly)) == [21, 49, 77]
    assert days_of(made.moments(ten)) == [21, 31, 41, 51, 61, 71]
    assert days_of(made.moments(never)) == [21]
    assert days_of(made.every_moment()) == sorted([21, 28, 35, 42, 49, 56, 63, 70, 77, 31, 41, 51, 61, 71])


def test_no_model_serves_before_it_is_trained_and_none_is_older_than_its_policy() -> None:
    made = plan(200, "weekly", "monthly", "10d", "9d")
    for policy in made.policies:
        assert policy.days is not None
        for window in made.windows:
            assert window.begin - policy.days * DAY < made.moment(policy, window) <= window.begin


def test_the_start_can_be_said() -> None:
    made = plan(30, "weekly", window_days=5, start=MONDAY + 12 * DAY)
    assert [(window.begin - MONDAY) / DAY for window in made.windows] == [12, 17, 22]


@pytest.mark.parametrize(
    ("days", "start", "words"),
    [
        (13, None, "too short for a backtest.*one whole window of 7 days.*what to do"),
        (30, 25 * DAY, "too short"),
        (30, 0, "starts before the log"),
        (30, 90 * DAY, "too short"),
    ],
)
def test_what_leaves_no_window_is_refused(days: int, start: int | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        plan(days, "weekly", start=None if start is None else MONDAY + start)
