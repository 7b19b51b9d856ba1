from datetime import UTC, datetime, timedelta

import pytest

from ncf.evaluation.guards import Reign, anchor_of, anchors_to_come, window_start

DAY_0 = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)  # a Monday


def reign(version: int, day: int, is_standard: bool = False) -> Reign:
    return Reign(version, DAY_0 + timedelta(days=day), is_standard)


@pytest.mark.parametrize(
    ("reigns", "since", "anchor"),
    [
        ([], 5, None),
        ([reign(1, 0)], 5, 1),
        ([reign(1, 0), reign(2, 3), reign(3, 6)], 5, 2),  # 2 served when the window began
        ([reign(1, 0), reign(2, 3), reign(3, 6)], -1, 1),
        ([reign(1, 0), reign(2, 3, True), reign(3, 6)], -1, 2),  # surely better than the anchor before it
        ([reign(1, 0), reign(2, 3, True), reign(3, 4, True), reign(4, 9)], -1, 3),
        ([reign(1, 0), reign(2, 3), reign(3, 6)], 50, 3),
    ],
)
def test_the_anchor_is_the_oldest_that_still_served_or_the_newest_that_was_surely_better(
    reigns: list[Reign], since: int, anchor: int | None
) -> None:
    assert anchor_of(reigns, DAY_0 + timedelta(days=since)) == anchor


@pytest.mark.parametrize("day", range(7))
def test_the_window_begins_on_a_monday_so_that_the_anchor_changes_once_a_week(day: int) -> None:
    start = window_start(DAY_0 + timedelta(days=35 + day), 30)
    assert start == datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=7 if day >= 2 else 0)


def test_what_will_be_the_anchor_keeps_its_weights_and_little_else() -> None:
    nightly = [reign(night, night) for night in range(100)]
    kept = anchors_to_come(nightly, DAY_0 + timedelta(days=99.5), 30)
    for later in range(40):  # nobody is promoted any more
        now = DAY_0 + timedelta(days=99.5 + later)
        assert anchor_of(nightly, window_start(now, 30)) in kept
    assert len(kept) <= 7
