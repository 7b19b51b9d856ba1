import numpy as np
import pytest

from ncf.evaluation.comparison import Decision, decide, paired_difference, signed
from ncf.evaluation.metrics import Mean

POPULARITY = np.array([0.1, 0.2, 0.3, 0.2])  # mean 0.2
GOOD = np.array([0.4, 0.2, 0.5, 0.5])  # mean 0.4
BETTER = np.array([0.5, 0.4, 0.4, 0.5])  # mean 0.45
POOR = np.array([0.1, 0.2, 0.3, 0.1])  # mean 0.175


def assert_tells(decision: Decision, *words: str) -> None:
    assert [word for word in words if word not in decision.reason] == []


def test_the_first_champion_need_only_beat_popularity() -> None:
    decision = decide(GOOD, POPULARITY, None)
    assert decision.promote
    assert_tells(decision, "popularity", "0.4000", "0.2000", "+0.2000", "+0.0614", "+0.3386")


NOT_ABOVE_POPULARITY = [(POOR, "0.1750", "-0.0250"), (POPULARITY, "0.2000", "0.0000")]


@pytest.mark.parametrize("champion", [None, POOR, GOOD, np.zeros(4)])
@pytest.mark.parametrize(("challenger", "mean", "difference"), NOT_ABOVE_POPULARITY)
def test_a_challenger_not_above_popularity_is_never_promoted(
    challenger: np.ndarray, mean: str, difference: str, champion: np.ndarray | None
) -> None:
    decision = decide(challenger, POPULARITY, champion)
    assert not decision.promote
    assert_tells(decision, "not better than popularity", mean, "0.2000", difference)


def test_a_better_challenger_is_promoted() -> None:
    decision = decide(BETTER, POPULARITY, GOOD)
    assert decision.promote
    assert_tells(decision, "champion", "0.4500", "0.4000", "+0.0500", "-0.0765", "+0.1765")
    assert "not" not in decision.reason


def test_a_worse_challenger_is_not_promoted() -> None:
    decision = decide(GOOD, POPULARITY, BETTER)
    assert not decision.promote
    assert_tells(decision, "not better than the champion", "0.4000", "0.4500", "-0.0500", "-0.1765", "+0.0765")


def test_an_equal_challenger_is_not_promoted() -> None:
    decision = decide(GOOD, POPULARITY, GOOD.copy())
    assert not decision.promote
    assert_tells(decision, "not better than the champion", "0.4000", "0.0000")


def test_the_means_over_all_users_decide_not_the_number_of_users_won() -> None:
    champion = np.array([0.2, 0.2, 0.2, 0.2])
    challenger = np.array([0.1, 0.1, 0.1, 0.9])
    assert decide(challenger, np.zeros(4), champion).promote


def test_paired_difference_literal() -> None:
    difference = paired_difference(np.array([1.0, 0.5, 0.5]), np.array([0.5, 0.5, 0.0]))
    half = 1.959964 * np.sqrt(1 / 12) / np.sqrt(3)  # differences 0.5, 0, 0.5
    assert (difference.value, difference.low, difference.high) == pytest.approx((1 / 3, 1 / 3 - half, 1 / 3 + half))


def test_pairing_narrows_the_interval_of_models_that_err_alike(rng: np.random.Generator) -> None:
    hard = rng.random(500)
    difference = paired_difference(hard + 0.01, hard)
    assert difference.value == pytest.approx(0.01)
    assert difference.half_width < 1e-9


def test_a_difference_is_written_with_its_sign() -> None:
    assert signed(Mean(0.01, -0.002, 0.022)) == "+0.0100, 95 % interval -0.0020 to +0.0220"
    assert signed(Mean(-0.01, -0.02, 0.0)) == "-0.0100, 95 % interval -0.0200 to +0.0000"
