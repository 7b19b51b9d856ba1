from math import log

import numpy as np
import pytest

from ncf.data.history import DayCounts, History
from ncf.monitoring.findings import popularity_classes, popularity_shift, psi, psi_by_chance

NO_DAYS = DayCounts(*(np.empty(0, dtype=np.int64) for _ in range(3)))


def counts(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_psi_by_hand() -> None:
    # shares .5 and .5 against .8 and .2: .3 ln 1.6 - .3 ln .4 = .3 ln 4
    assert psi(counts(50, 50), counts(80, 20), smoothing=0) == pytest.approx(0.3 * log(4))
    assert psi(counts(80, 20), counts(50, 50), smoothing=0) == pytest.approx(0.3 * log(4))


def test_the_same_shares_of_other_numbers_are_no_shift() -> None:
    assert psi(counts(5, 10, 15, 0), counts(50, 100, 150, 0)) == pytest.approx(0)


def test_an_empty_class_is_smoothed() -> None:
    # (1 + .5) / 2 and (0 + .5) / 2 against the reverse: shares .75 and .25, .5 ln 3 for each class
    assert psi(counts(1, 0), counts(0, 1)) == pytest.approx(log(3))
    assert psi(counts(0, 0), counts(0, 0)) == 0


def test_psi_of_samples_of_one_distribution_is_what_chance_makes_of_it() -> None:
    rng = np.random.default_rng(3)
    shares = np.full(11, 1 / 11)
    drawn = [psi(rng.multinomial(10_000, shares), rng.multinomial(500, shares)) for _ in range(400)]
    expected = psi_by_chance(10_000, 500, 11)
    assert expected == pytest.approx(10 * (1 / 10_000 + 1 / 500))
    assert np.mean(drawn) == pytest.approx(expected, rel=0.1)
    assert psi_by_chance(0, 5, 11) == float("inf")


def test_classes_have_the_same_number_of_interactions() -> None:
    # in order of popularity 4 | 2 2 | 1 1 1 1: thirds of 12
    assert popularity_classes(counts(1, 2, 1, 4, 0, 1, 2, 1), classes=3).tolist() == [2, 1, 2, 0, 3, 2, 1, 2]


def test_one_item_with_nearly_everything_leaves_classes_empty() -> None:
    assert popularity_classes(counts(98, 1, 1), classes=4).tolist() == [1, 3, 3]
    assert popularity_classes(counts(0, 0), classes=4).tolist() == [4, 4]


def test_items_are_classed_by_what_was_before_the_newest_tenth() -> None:
    early = np.array([1000, 500, 500, 0])  # middles .25, .625, .875: the classes 2, 6 and 8 of 10
    history = History(early, recent=np.array([100, 50, 50, 0]), by_day=NO_DAYS, last_time=None)
    same = popularity_shift(history, np.array([20, 10, 10, 0]))
    assert same.before == same.after == [0, 0, 0.5, 0, 0, 0, 0.25, 0, 0.25, 0, 0]
    assert same.psi == 0
    assert same.by_chance == pytest.approx(10 * (1 / 200 + 1 / 40))
    turned = popularity_shift(history, np.array([0, 0, 10, 10, 20]))  # one item more than the model knows
    assert turned.after == [0, 0, 0, 0, 0, 0, 0, 0, 0.25, 0, 0.75]
    assert turned.psi > 3
