import numpy as np
import pytest
import torch

from ncf.sampling.sampler import PairRows
from tests.ncf.toy_data import pairs


def looked_up(rows: PairRows, users: list[int]) -> list[tuple[int, int]]:
    row, items = rows.of_users(torch.tensor(users, dtype=torch.int64))
    return list(zip(row.tolist(), items.tolist(), strict=True))


def test_the_pairs_of_several_splits_are_found_by_user() -> None:
    rows = PairRows.of([pairs([(1, 5), (0, 2), (1, 3)]), pairs([(3, 4), (1, 0)])], num_users=5)
    assert looked_up(rows, [1]) == [(0, 5), (0, 3), (0, 0)]
    assert looked_up(rows, [3, 0]) == [(0, 4), (1, 2)]


def test_users_without_pairs_and_users_named_twice() -> None:
    rows = PairRows.of([pairs([(1, 5), (3, 2)])], num_users=5)
    assert looked_up(rows, [0, 2, 4]) == []
    assert looked_up(rows, [3, 0, 1, 3]) == [(0, 2), (2, 5), (3, 2)]
    assert looked_up(rows, []) == []


def test_from_counts() -> None:
    rows = PairRows.of_counts(torch.tensor([1, 0, 2]), torch.tensor([4, 9, 3], dtype=torch.int32))
    assert looked_up(rows, [2, 1, 0]) == [(0, 9), (0, 3), (2, 4)]


def test_items_take_four_bytes_each_and_are_looked_up_as_indices() -> None:
    rows = PairRows.of([pairs([(1, 5), (3, 2)])], num_users=5)
    assert rows.items.dtype == torch.int32
    assert [index.dtype for index in rows.of_users(torch.tensor([1]))] == [torch.int64, torch.int64]


@pytest.mark.parametrize("ordered", [True, False])
def test_random_pairs_against_a_loop(ordered: bool, rng: np.random.Generator) -> None:
    table = [(int(user), int(item)) for user, item in rng.integers(0, 9, size=(60, 2))]
    if ordered:
        table = sorted(table[:20]) + sorted(table[20:])
    rows = PairRows.of([pairs(table[:20]), pairs(table[20:])], num_users=9)
    wanted = rng.integers(0, 9, size=15).tolist()
    expected = [(place, item) for place, user in enumerate(wanted) for owner, item in table if owner == user]
    assert looked_up(rows, wanted) == expected
