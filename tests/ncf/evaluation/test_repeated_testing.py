"""Many challengers on one holdout: how alike holdouts are, and what many judgements cost."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from scipy.stats import norm

from ncf.data.prepared import PreparedData
from ncf.evaluation.comparison import SKETCH_SIZE, holdout_sketch, likeness, widening_after
from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import CandidateMetrics
from ncf.evaluation.promotion import decide
from tests.ncf.toy_data import literal_data, taste_data


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return taste_data(2_000, 60, factors=2, rows=6, seed=0)


def with_other_items(data: PreparedData, number: int) -> PreparedData:
    """The same data, but so many users have another test item."""
    pairs = data.test.pairs
    items = pairs.items.copy()
    items[:number] = (items[:number] + 1) % data.num_items
    return replace(data, test=replace(data.test, pairs=replace(pairs, items=items)))


def test_the_same_holdout_is_wholly_alike_and_another_not_at_all(data: PreparedData) -> None:
    sketch = holdout_sketch(data)
    assert likeness(sketch, sketch) == 1
    assert likeness(sketch, holdout_sketch(with_other_items(data, 2_000))) == 0
    assert likeness("", "") == likeness(sketch, "") == 0
    assert len(sketch) <= 5_000, "what a tag of MLflow has room for"


def test_more_train_pairs_make_no_other_holdout(data: PreparedData) -> None:
    fewer = replace(data, train=replace(data.train, users=data.train.users[1:], items=data.train.items[1:]))
    assert fewer.fingerprint != data.fingerprint
    assert holdout_sketch(fewer) == holdout_sketch(data)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_likeness_is_the_share_of_common_pairs(data: PreparedData, share: float) -> None:
    other = with_other_items(data, round(2_000 * (1 - share)))
    ours, theirs = (
        set(zip(one.test.pairs.users.tolist(), one.test.pairs.items.tolist(), strict=True)) for one in (data, other)
    )
    expected = len(ours & theirs) / len(ours | theirs)
    four_deviations = 4 * np.sqrt(expected * (1 - expected) / SKETCH_SIZE)
    assert likeness(holdout_sketch(data), holdout_sketch(other)) == pytest.approx(expected, abs=four_deviations)


@pytest.mark.parametrize("kind", [str, lambda value: UUID(int=int(value))])
def test_small_holdouts_are_compared_exactly_whatever_their_ids_are(kind: Any) -> None:
    data = literal_data()
    ids = np.array([kind(value) for value in data.user_ids], dtype=object)
    named = replace(data, user_ids=ids)
    assert likeness(holdout_sketch(named), holdout_sketch(named)) == 1
    one_moved = with_other_items(named, 1)
    number = len(data.test)
    assert likeness(holdout_sketch(named), holdout_sketch(one_moved)) == pytest.approx((number - 1) / (number + 1))


def test_the_first_challengers_interval_is_as_wide_as_ever_and_the_kth_has_a_kth_squared_of_the_error() -> None:
    assert widening_after(0, 0.95) == 1
    for earlier in (1, 2.5, 100):
        factor = widening_after(earlier, 0.95)
        assert norm.sf(factor * norm.isf(0.025)) == pytest.approx(0.025 / (1 + earlier) ** 2)
    errors = [norm.sf(widening_after(earlier, 0.95) * norm.isf(0.025)) for earlier in range(1_000)]
    assert 0.04 < sum(errors) < 0.05


def test_many_challengers_that_are_no_better_are_seldom_promoted_even_once() -> None:
    """Users' values are drawn anew for each model: none is better, and users are all the luck there is."""
    rng, users, nights, trials = np.random.default_rng(0), 100, 15, 60
    popularity = np.zeros(users)
    broken = {True: 0, False: 0}
    for _ in range(trials):
        champion, *challengers = rng.choice((0.0, 0.5, 1.0), (1 + nights, users))
        for counted in broken:
            config = PromotionConfig(seed_widening=1, count_challengers=counted)
            decisions = (
                decide(CandidateMetrics(challenger), popularity, CandidateMetrics(champion), config, earlier=night)
                for night, challenger in enumerate(challengers)
            )
            broken[counted] += any(decision.promote for decision in decisions)
    assert broken[True] <= 0.07 * trials
    assert broken[False] >= 0.15 * trials, "else there is nothing to guard against"
