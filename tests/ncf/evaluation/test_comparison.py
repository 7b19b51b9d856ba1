import numpy as np
import pytest

from ncf.evaluation.comparison import paired_difference, signed, stronger_baseline
from ncf.evaluation.metrics import Mean, Values


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


def test_a_stronger_baseline_is_named_with_its_difference() -> None:
    model, worse, better = (np.array(values) for values in ([0.5, 0.0, 0.4], [0.5, 0.0, 0.1], [0.6, 0.3, 0.6]))
    sentence = stronger_baseline("gmf", model, {"worse": worse, "better": better})
    assert sentence.startswith("The baseline better is better than gmf: NDCG@10 0.5000 against 0.3000 ")
    assert "+0.2000, 95 % interval +0.0868 to +0.3132)." in sentence  # differences 0.1, 0.3, 0.2


def test_a_difference_that_may_be_chance_is_said_to_be() -> None:
    sentence = stronger_baseline("gmf", np.array([0.5, 0.0, 0.4]), {"knn": np.array([0.5, 0.4, 0.3])})
    assert sentence.endswith("to +0.3994; it may be chance).")  # differences 0, 0.4, -0.1


@pytest.mark.parametrize(
    "baselines", [{}, {"equal": np.array([0.5, 0.1])}, {"a": np.zeros(2), "b": np.array([0, 0.5])}]
)
def test_a_baseline_that_is_not_better_is_not_named(baselines: dict[str, Values]) -> None:
    assert stronger_baseline("gmf", np.array([0.1, 0.5]), baselines) == ""
