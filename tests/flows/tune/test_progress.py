"""How far a search is, by hand-made summaries."""

from typing import cast

import pytest

from flows.tune.search import describe, ended_trials, minutes_left, share_done, used_up
from flows.tune.workers import threads_each
from ncf.hardware import HardwareConfig, available_cores
from tuning.config import BudgetConfig
from tuning.problem import State, TrialOutcome
from tuning.summary import StudySummary


def summary(minutes: float = 0.0, running: int = 0, waiting: int = 0, **states: int) -> StudySummary:
    best = TrialOutcome(2, "complete", {}, score=0.0712)
    return StudySummary(
        outcomes=(),
        best=best if states.get("complete") else None,
        recipe=None,
        default=TrialOutcome(0, "complete", {}, score=0.0684) if states.get("complete") else None,
        pareto=(),
        minutes=minutes,
        states=cast("dict[State, int]", states),
        running=running,
        waiting=waiting,
    )


def test_an_interrupted_trial_does_not_count() -> None:
    assert ended_trials(summary(complete=3, pruned=2, failed=1, interrupted=4)) == 6


@pytest.mark.parametrize(
    ("found", "budget", "expected"),
    [
        (summary(complete=9), BudgetConfig(trials=10), False),
        (summary(complete=9, running=1), BudgetConfig(trials=10), True),
        (summary(complete=10, waiting=1), BudgetConfig(trials=10), False),
        (summary(complete=10, waiting=1, minutes=5), BudgetConfig(trials=10, minutes=5), True),
        (summary(complete=1, minutes=4.9), BudgetConfig(trials=10, minutes=5), False),
    ],
)
def test_a_budget_is_used_up_by_trials_or_minutes(found: StudySummary, budget: BudgetConfig, expected: bool) -> None:
    assert used_up(found, budget) is expected


def test_the_time_left_is_the_shorter_of_what_trials_and_minutes_leave() -> None:
    half = summary(complete=4, pruned=1, minutes=10)
    assert minutes_left(half, BudgetConfig(trials=10)) == pytest.approx(10)
    assert minutes_left(half, BudgetConfig(trials=10, minutes=12)) == pytest.approx(2)
    assert minutes_left(summary(running=1), BudgetConfig(trials=10)) is None
    assert minutes_left(summary(running=1), BudgetConfig(trials=10, minutes=3)) == pytest.approx(3)
    assert share_done(half, BudgetConfig(trials=10)) == pytest.approx(0.5)
    assert share_done(half, BudgetConfig(trials=10, minutes=12.5)) == pytest.approx(0.8)


def test_one_line_says_it_all() -> None:
    found = summary(complete=4, pruned=2, failed=1, interrupted=1, minutes=7)
    assert describe("gmf", found, BudgetConfig(trials=10)) == (
        "gmf: 7 of 10 trials (4 complete, 2 pruned, 1 failed), "
        "best NDCG@10 0.0712 (trial 2, default 0.0684), 3 min left"
    )
    assert describe("mlp", summary(running=1), BudgetConfig(trials=10)) == "mlp: 0 of 10 trials"


def test_workers_share_the_cores_and_take_no_more_than_their_batches_need() -> None:
    plain = HardwareConfig()
    assert threads_each(plain, workers=1, batch_size=2048) == plain
    assert threads_each(plain, workers=1000, batch_size=2**24).threads == 1
    assert threads_each(plain, workers=2, batch_size=2048).threads == 1
    assert threads_each(plain, workers=2, batch_size=2**24).threads == max(1, available_cores() // 2)
    assert threads_each(HardwareConfig(threads=3), workers=2, batch_size=2048).threads == 3
