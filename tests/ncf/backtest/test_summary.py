import math

import numpy as np
import pandas as pd
import pytest

from ncf.backtest.scoring import difference_of, mean_over_windows
from ncf.evaluation.metrics import mean_with_interval


def test_of_one_window_it_is_the_mean_over_its_users(rng: np.random.Generator) -> None:
    values = rng.random(50)
    expected = mean_with_interval(values)
    mean = mean_over_windows([values], [np.arange(50)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_every_window_counts_the_same() -> None:
    mean = mean_over_windows([np.array([1.0, 1.0, 1.0, 1.0]), np.array([0.0])], [np.arange(4), np.array([9])])
    assert mean.value == 0.5


def test_a_user_in_several_windows_is_one_unit(rng: np.random.Generator) -> None:
    values, users = rng.random(200), np.arange(200)
    once = mean_over_windows([values], [users])
    again = mean_over_windows([values, values], [users, users])
    others = mean_over_windows([values, values], [users, users + 1000])
    assert again.half_width == pytest.approx(once.half_width), "the same users twice say nothing new"
    assert others.half_width == pytest.approx(once.half_width / math.sqrt(2), rel=0.01)


def test_the_interval_covers_the_truth_as_often_as_it_says(rng: np.random.Generator) -> None:
    covered = 0
    for _ in range(400):
        luck = rng.normal(size=300)  # of each user, in all of their windows
        users = [rng.choice(300, size=size, replace=False) for size in (200, 60, 120)]
        values = [0.3 + luck[part] + rng.normal(size=len(part)) for part in users]
        mean = mean_over_windows(values, users)
        covered += mean.low <= 0.3 <= mean.high
    assert 0.92 <= covered / 400 <= 0.98


def test_a_single_user_has_no_interval() -> None:
    mean = mean_over_windows([np.array([0.5])] * 3, [np.array(["anna"], dtype=object)] * 3)
    assert mean.value == 0.5 and math.isinf(mean.low) and math.isinf(mean.high)


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(100)
    frame = pd.DataFrame({"user_id": np.arange(100), "a/ndcg_at_10": theirs + 0.01, "b/ndcg_at_10": theirs})
    difference = difference_of([frame, frame], "a", "b", "ndcg_at_10")
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.01, 0.01, 0.01), abs=0.001)
