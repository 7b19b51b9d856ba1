import pytest

from tuning.records import Interval, minutes_used


@pytest.mark.parametrize(
    ("intervals", "minutes"),
    [
        ([], 0),
        ([(0, 60)], 1),
        ([(0, 60), (60, 120)], 2),
        ([(0, 60), (600, 660)], 2),  # an interruption of nine minutes
        ([(0, 120), (30, 60)], 2),  # one inside another
        ([(30, 150), (0, 60)], 2.5),  # side by side, in any order
        ([(0, 60)] * 4, 1),
        ([(0, 60), (50, 40), (100, 90)], 1),  # the clocks of two machines
    ],
)
def test_minutes_in_which_at_least_one_trial_ran(intervals: list[Interval], minutes: float) -> None:
    assert minutes_used(intervals) == pytest.approx(minutes)
