from collections import Counter
from itertools import combinations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from ncf.sampling.sampler import NegativeSampler, UnseenItems, draw_candidates
from tests.ncf.toy_data import pairs

LEAST_LIKELY = 0.001  # p-value; the seeds are fixed, so a test that passes once passes always
Seen = tuple[int, list[set[int]]]


def index(num_items: int, seen: list[set[int]]) -> UnseenItems:
    rows = [(user, item) for user, items in enumerate(seen) for item in items]
    return UnseenItems.of(pairs(rows), len(seen), num_items)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def incomplete_sets(draw: st.DrawFn) -> Seen:
    """Users who each miss one item at least; the first misses exactly one."""
    num_items = draw(st.integers(1, 10))
    catalogue = set(range(num_items))
    missing = draw(st.lists(st.sets(st.integers(0, num_items - 1), min_size=1), min_size=0, max_size=4))
    only = draw(st.integers(0, num_items - 1))
    return num_items, [catalogue - items for items in [{only}, *missing]]


@settings(database=None, max_examples=200, derandomize=True)
@given(incomplete_sets(), st.integers(0, 2**63 - 1))
def test_a_negative_is_never_a_positive_and_always_in_range(case: Seen, seed: int) -> None:
    num_items, seen = case
    users = torch.arange(len(seen)).repeat(3)
    drawn = NegativeSampler(index(num_items, seen)).sample(users, 4, seed, torch.arange(len(users)))
    assert drawn.shape == (len(users), 4)
    assert drawn.dtype == torch.int64
    for user, row in zip(users.tolist(), drawn.tolist(), strict=True):
        assert all(0 <= item < num_items and item not in seen[user] for item in row)


def test_negatives_are_uniform_over_the_unseen_items() -> None:
    seen = [{0, 3, 4, 9}, set(), set(range(9))]
    users, rows = torch.arange(3).repeat(2500), torch.arange(7500)
    drawn = NegativeSampler(index(10, seen)).sample(users, 4, 1, rows).view(2500, 3, 4)
    for user, items in enumerate(seen):
        counts = Counter(drawn[:, user].flatten().tolist())
        unseen = sorted(set(range(10)) - items)
        assert sorted(counts) == unseen
        if len(unseen) > 1:
            assert chisquare([counts[item] for item in unseen]).pvalue > LEAST_LIKELY


def test_the_negatives_of_one_row_are_independent() -> None:
    drawn = NegativeSampler(index(4, [{0}])).sample(torch.zeros(9000, dtype=torch.int64), 2, 2, torch.arange(9000))
    counts = Counter(map(tuple, drawn.tolist()))
    assert len(counts) == 9
    assert chisquare(list(counts.values())).pvalue > LEAST_LIKELY


def test_negatives_follow_from_seed_and_row_alone() -> None:
    sampler, users, rows = NegativeSampler(index(50, [{1}, {2}])), torch.tensor([0, 1] * 20), torch.arange(40)
    torch.manual_seed(1)
    first = sampler.sample(users, 5, 7, rows)
    torch.manual_seed(2)
    assert torch.equal(first, sampler.sample(users, 5, 7, rows))
    assert torch.equal(first[[30, 3]], sampler.sample(users[[30, 3]], 5, 7, rows[[30, 3]]))  # in any batch
    assert not torch.equal(first, sampler.sample(users, 5, 8, rows))
    assert not torch.equal(first, sampler.sample(users, 5, 7, rows + 40))


@settings(database=None, max_examples=200, derandomize=True)
@given(
    st.integers(1, 10).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.sets(st.integers(0, n - 1)), min_size=1, max_size=5))
    ),
    st.integers(1, 6),
    st.integers(0, 2**63 - 1),
)
def test_candidates_are_distinct_and_unseen_and_as_many_as_there_can_be(case: Seen, wanted: int, seed: int) -> None:
    num_items, seen = case
    drawn = draw_candidates(index(num_items, seen), torch.arange(len(seen)), wanted, seeded(seed))
    assert drawn.shape == (len(seen), wanted)
    for items, row in zip(seen, drawn.tolist(), strict=True):
        found = [item for item in row if item >= 0]
        unseen = set(range(num_items)) - items
        assert len(found) == len(set(found)) == min(wanted, len(unseen))
        assert set(found) <= unseen
        assert set(row) - set(found) <= {-1}


def test_every_subset_is_equally_likely() -> None:
    unseen = index(8, [{1, 4, 6}])  # five unseen: 0, 2, 3, 5, 7
    drawn = draw_candidates(unseen, torch.zeros(20_000, dtype=torch.int64), 2, seeded(3))
    counts = Counter(tuple(sorted(row)) for row in drawn.tolist())
    assert sorted(counts) == list(combinations([0, 2, 3, 5, 7], 2))
    assert chisquare(list(counts.values())).pvalue > LEAST_LIKELY


def test_a_user_with_fewer_unseen_items_gets_all_of_them_and_padding() -> None:
    drawn = draw_candidates(index(6, [{0, 1, 3}, {0, 1, 2, 3, 4, 5}]), torch.tensor([0, 1]), 5, seeded(4))
    assert sorted(drawn[0].tolist()) == [-1, -1, 2, 4, 5]
    assert drawn[1].tolist() == [-1] * 5


def test_candidates_follow_from_the_seed_alone() -> None:
    unseen, users = index(60, [{1}, {2}]), torch.tensor([0, 1])
    torch.manual_seed(1)
    first = draw_candidates(unseen, users, 9, seeded(7))
    torch.manual_seed(2)
    assert torch.equal(first, draw_candidates(unseen, users, 9, seeded(7)))
    assert not torch.equal(first, draw_candidates(unseen, users, 9, seeded(8)))
