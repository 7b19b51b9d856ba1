import re
from dataclasses import replace

import pytest

from ncf.backtest.plan import PATTERN, Plan, Policy, Rule, check_number, make_plan
from ncf.data.history import DAY
from ncf.errors import ConfigError, DataError

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


@pytest.mark.parametrize(
    ("name", "days", "rule"),
    [("weekly-wins-ties", 7, "wins ties"), ("28d-surely-better", 28, "surely better"), ("weekly", 7, None)],
)
def test_a_policy_may_have_a_gate(name: str, days: int, rule: Rule | None) -> None:
    assert Policy.named(name) == Policy(name, days, rule)
    assert re.search(PATTERN, name)


def test_what_passed_the_gate_serves_until_the_next_that_does() -> None:
    made = plan(56, "weekly-wins-ties", "monthly")
    gated, monthly = made.policies
    begins = [window.begin for window in made.windows]
    passed = replace(made, promoted={gated.name: (begins[0], begins[2])})
    serving = [passed.moment(gated, window) for window in passed.windows]
    assert serving == [*[begins[0]] * 2, *[begins[2]] * (len(begins) - 2)]
    assert passed.moments(gated) == begins, "it trains every week all the same"
    assert passed.moment(monthly, made.windows[1]) == begins[0]


def test_too_many_trainings_are_refused_with_steps_that_fit() -> None:
    span = (MONDAY, MONDAY + 22 * 365 * DAY)
    policies = [Policy.named(name) for name in ("weekly", "monthly-wins-ties", "never")]
    made = make_plan(span, policies)
    number = len(made.every_moment())
    assert number > 800
    check_number(made, span, None, number)
    with pytest.raises(ConfigError, match=rf"{number} trainings.*up to 60.*--most-trainings {number}") as refused:
        check_number(made, span, None, 60)
    days, names, fewer = re.findall(r"--window-days (\d+) --policies (\S+) needs (\d+)", str(refused.value))[0]
    advised = make_plan(span, [Policy.named(name) for name in names.split(",")], int(days))
    assert len(advised.every_moment()) == int(fewer) <= 60
    assert names == f"{days}d,{4 * int(days)}d-wins-ties,never", "the policies' ratio stays"
    check_number(advised, span, None, 60)


def test_a_plan_that_nothing_makes_coarser_can_only_be_allowed() -> None:
    made = plan(28, "weekly")
    with pytest.raises(ConfigError, match="train more rarely: --window-days 14 --policies 14d needs 1; or allow it"):
        check_number(made, (MONDAY, MONDAY + 28 * DAY - 1), None, 1)


@pytest.mark.parametrize(
    "name",
    [
        "never-wins-ties",
        "weekly-",
        "weekly-wins",
        "-wins-ties",
        "",
        "fortnightly",
        "0d",
        "-3d",
        "1.5d",
        "d",
        "10",
        "Weekly",
        "10 d",
        "٣d",
    ],
)
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
