from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from ncf.sampling.sampler import LARGEST_TOTAL, NegativeSampler, WeightedUnseen, popularity_weights
from tests.ncf.toy_data import pairs

LEAST_LIKELY = 0.001  # p-value; the seeds are fixed, so a test that passes once passes always
Case = tuple[list[int], list[set[int]]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Weights of 1 to 8 items, and 1 to 4 users who have seen any part of them."""
    weights = draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    user = st.sets(st.integers(0, len(weights) - 1))
    return weights, draw(st.lists(user, min_size=1, max_size=4))


def index(weights: list[int], seen: list[set[int]]) -> WeightedUnseen:
    rows = [(user, item) for user, items in enumerate(seen) for item in sorted(items, reverse=True)]
    return WeightedUnseen.of(pairs(rows), np.asarray(weights, dtype=np.int64), len(seen))


def test_literal_answer() -> None:
    unseen = index([2, 1, 3, 1], [{1}, set(), {0, 2, 3}, {0, 1, 2, 3}])
    assert unseen.limits.tolist() == [6, 7, 1, 0]
    assert unseen.select(torch.zeros(6, dtype=torch.int64), torch.arange(6)).tolist() == [0, 0, 2, 2, 2, 3]
    assert unseen.select(torch.ones(7, dtype=torch.int64), torch.arange(7)).tolist() == [0, 0, 1, 2, 2, 2, 3]
    assert unseen.select(torch.tensor([2]), torch.tensor([0])).tolist() == [1]


@settings(database=None, max_examples=200, derandomize=True)
@given(cases())
def test_over_all_points_each_unseen_item_comes_as_often_as_it_weighs(case: Case) -> None:
    weights, seen = case
    unseen = index(weights, seen)
    for user, items in enumerate(seen):
        expected = {item: weight for item, weight in enumerate(weights) if item not in items}
        points = torch.arange(int(unseen.limits[user]))
        assert Counter(unseen.select(torch.full_like(points, user), points).tolist()) == expected


def test_repeated_pairs_count_once() -> None:
    unseen = WeightedUnseen.of(pairs([(0, 1), (0, 1), (0, 2)]), np.array([1, 5, 5, 2]), 1)
    assert unseen.limits.tolist() == [3]
    assert unseen.select(torch.zeros(3, dtype=torch.int64), torch.arange(3)).tolist() == [0, 3, 3]


def test_many_users_and_the_largest_weight_are_counted_exactly() -> None:
    half = LARGEST_TOTAL // 2
    unseen = WeightedUnseen.of(pairs([(2**22 - 1, 0), (0, 1)]), np.array([half - 1, 1, half]), 2**22)
    users = torch.tensor([2**22 - 1, 2**22 - 1, 0, 0, 1])
    points = torch.tensor([0, half, half - 2, half - 1, LARGEST_TOTAL - 1])
    assert unseen.limits[users].tolist() == [half + 1, half + 1, LARGEST_TOTAL - 1, LARGEST_TOTAL - 1, LARGEST_TOTAL]
    assert unseen.select(users, points).tolist() == [1, 2, 0, 2, 2]


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.75, 1.0, 3.0])
def test_weights_are_the_counts_power_in_whole_numbers(beta: float) -> None:
    counts = np.array([0, 1, 2, 9, 100, 40_000])
    weights = popularity_weights(counts, beta)
    wanted = np.array([1, 1, 2, 9, 100, 40_000], dtype=np.float64) ** beta
    assert weights.dtype == np.int64
    assert weights.min() >= 1
    assert weights.sum() <= LARGEST_TOTAL
    np.testing.assert_allclose(weights / weights.sum(), wanted / wanted.sum(), rtol=1e-6, atol=1 / LARGEST_TOTAL)


def test_many_rare_items_beside_a_popular_one_stay_possible_within_the_limit() -> None:
    counts = np.full(300_000, 1)
    counts[7] = 10**12
    weights = popularity_weights(counts, 2.0)
    assert weights.min() == 1
    assert weights.sum() <= LARGEST_TOTAL
    assert weights[7] > 0.999 * LARGEST_TOTAL


def test_beta_0_draws_evenly() -> None:
    assert set(popularity_weights(np.array([0, 3, 70, 5]), 0.0)) == {LARGEST_TOTAL // 4 - 1}


def test_draws_follow_the_popularity_and_avoid_what_was_seen() -> None:
    counts, seen = np.array([16, 0, 81, 1, 256]), [{2}, set(), {0, 1, 2, 4}]
    rows = [(user, item) for user, items in enumerate(seen) for item in items]
    unseen = WeightedUnseen.of(pairs(rows), popularity_weights(counts, 0.75), 3)
    users, numbers = torch.arange(3).repeat(4000), torch.arange(12_000)
    drawn = NegativeSampler(unseen).sample(users, 3, 5, numbers).view(4000, 3, 3)
    wanted = np.array([8.0, 1.0, 27.0, 1.0, 64.0])
    for user, items in enumerate(seen):
        found = Counter(drawn[:, user].flatten().tolist())
        left = sorted(set(range(5)) - items)
        assert sorted(found) == left
        expected = wanted[left] / wanted[left].sum() * 12_000
        assert len(left) == 1 or chisquare([found[item] for item in left], expected).pvalue > LEAST_LIKELY
