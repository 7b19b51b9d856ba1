import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncf.sampling.sampler import UnseenItems
from tests.ncf.toy_data import pairs

Seen = tuple[int, list[set[int]]]


@st.composite
def seen_sets(draw: st.DrawFn) -> Seen:
    """A catalogue of 1 to 12 items, and 1 to 5 users who have seen any part of it."""
    num_items = draw(st.integers(1, 12))
    user = st.sets(st.integers(0, num_items - 1))
    return num_items, draw(st.lists(user, min_size=1, max_size=5))


def index(num_items: int, seen: list[set[int]]) -> UnseenItems:
    rows = [(user, item) for user, items in enumerate(seen) for item in sorted(items, reverse=True)]
    return UnseenItems.of(pairs(rows), len(seen), num_items)


def test_literal_answer() -> None:
    unseen = index(6, [{0, 2, 3}, set(), {1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}])
    assert unseen.num_unseen.tolist() == [3, 6, 1, 0]
    assert unseen.select(torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2])).tolist() == [1, 4, 5]
    assert unseen.select(torch.tensor([1, 1, 2]), torch.tensor([0, 5, 0])).tolist() == [0, 5, 0]


@settings(database=None, max_examples=200, derandomize=True)
@given(seen_sets())
def test_every_r_of_every_user_is_the_r_th_unseen_item(case: Seen) -> None:
    num_items, seen = case
    unseen = index(num_items, seen)
    for user, items in enumerate(seen):
        expected = [item for item in range(num_items) if item not in items]
        assert int(unseen.num_unseen[user]) == len(expected)
        users = torch.full((len(expected),), user)
        assert unseen.select(users, torch.arange(len(expected))).tolist() == expected


def test_any_shape_is_answered_in_that_shape() -> None:
    unseen = index(4, [{1}, {0}])
    users = torch.tensor([[0, 1], [1, 0]])
    assert unseen.select(users, torch.tensor([[0, 0], [2, 2]])).tolist() == [[0, 1], [3, 3]]


def test_repeated_pairs_count_once() -> None:
    unseen = UnseenItems.of(pairs([(0, 1), (0, 1), (0, 2)]), 1, 4)
    assert unseen.num_unseen.tolist() == [2]
    assert unseen.select(torch.tensor([0, 0]), torch.tensor([0, 1])).tolist() == [0, 3]


def test_a_catalogue_of_two_billion_items_is_counted_exactly() -> None:
    num_items = 2**31
    unseen = UnseenItems.of(pairs([(999, 0), (999, num_items - 1), (1, 5)]), 1000, num_items)
    last = unseen.num_unseen[torch.tensor([999])] - 1
    assert unseen.select(torch.tensor([999]), last).tolist() == [num_items - 2]
    assert unseen.select(torch.tensor([999]), torch.tensor([0])).tolist() == [1]
