import numpy as np
import pytest

from ncf.evaluation.comparison import paired_difference, signed, stronger_baseline
from ncf.evaluation.metrics import Mean, Values, ndcg


def test_paired_difference_literal() -> None:
    difference = paired_difference(np.array([1.0, 0.5, 0.5]), np.array([0.5, 0.5, 0.0]))
    middle = 1 / 5  # differences 0.5, 0, 0.5, and those of two more users, 0.5 and -0.5
    half = 1.959964 * np.sqrt((1.0 / 5 - middle**2) / 5)
    assert (difference.value, difference.low, difference.high) == pytest.approx((1 / 3, middle - half, middle + half))


def test_the_interval_of_a_paired_share_is_that_of_bonett_and_price() -> None:
    ours, theirs = np.repeat([1.0, 0.0, 0.0], [9, 3, 88]), np.repeat([0.0, 1.0, 0.0], [9, 3, 88])
    better, worse = 10 / 102, 4 / 102
    half = 1.959964 * np.sqrt((better + worse - (better - worse) ** 2) / 102)
    difference = paired_difference(ours, theirs)
    assert (difference.low, difference.high) == pytest.approx((better - worse - half, better - worse + half))


def test_models_without_a_hit_are_not_proven_equal() -> None:
    few, many = (paired_difference(np.zeros(users), np.zeros(users)) for users in (19, 1900))
    assert few.high == -few.low == pytest.approx(1.959964 * np.sqrt(2 / 21 / 21))
    assert 0 < many.high < few.high / 50


@pytest.mark.parametrize("users", [15, 50, 200])
def test_the_interval_of_a_difference_holds_for_few_users(users: int, rng: np.random.Generator) -> None:
    gains = ndcg(np.arange(1, 11), 10)
    held = 0
    for _ in range(1000):
        ours, theirs = (np.where(rng.random(users) < share, rng.choice(gains, users), 0.0) for share in (0.18, 0.15))
        difference = paired_difference(ours, theirs)
        held += difference.low <= 0.03 * gains.mean() <= difference.high
    assert held > 930


def test_pairing_narrows_the_interval_of_models_that_err_alike(rng: np.random.Generator) -> None:
    hard = rng.random(500)
    difference = paired_difference(hard + 0.01, hard)
    assert difference.value == pytest.approx(0.01)
    assert difference.half_width < 1e-4


def test_a_difference_is_written_with_its_sign() -> None:
    assert signed(Mean(0.01, -0.002, 0.022)) == "+0.0100, 95 % interval -0.0020 to +0.0220"
    assert signed(Mean(-0.01, -0.02, 0.0)) == "-0.0100, 95 % interval -0.0200 to +0.0000"


def test_a_surely_stronger_baseline_is_named_with_its_difference() -> None:
    model, worse, better = np.tile([0.5, 0.0, 0.4], 40), np.tile([0.5, 0.0, 0.1], 40), np.tile([0.6, 0.3, 0.6], 40)
    clause = stronger_baseline(model, {"worse": worse, "better": better})
    assert clause.startswith("the baseline better is surely better: NDCG@10 0.5000 against 0.3000 (difference +0.2000")


def test_a_difference_that_may_be_chance_is_said_to_be() -> None:
    clause = stronger_baseline(np.array([0.5, 0.0, 0.4]), {"knn": np.array([0.5, 0.4, 0.3])})
    assert "is better on average, which may be chance: NDCG@10 0.4000 against 0.3000" in clause


@pytest.mark.parametrize(
    "baselines", [{}, {"equal": np.array([0.5, 0.1])}, {"a": np.zeros(2), "b": np.array([0, 0.5])}]
)
def test_a_baseline_that_is_not_better_is_not_named(baselines: dict[str, Values]) -> None:
    assert stronger_baseline(np.array([0.1, 0.5]), baselines) == ""
