import numpy as np
import pytest

from ncf.evaluation.comparison import paired_difference, signed
from ncf.evaluation.metrics import Mean


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
