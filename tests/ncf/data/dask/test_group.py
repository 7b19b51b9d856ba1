from pathlib import Path

import numpy as np
import pytest

from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.dask.coding import ROW, first_users_of_groups, groups_path, rows_path
from ncf.data.dask.group import Group, collect

# Codes of user and item, rating, seconds, part: two pieces of three groups; the second has the users 2 and 3.
PIECES = [
    [[(0, 0, 1.0, 5, 0)], [(2, 7, 1.0, 9, 0), (3, 7, 2.0, 3, 0), (2, 8, 3.0, 9, 0)], []],
    [[], [(3, 6, 4.0, 1, 0), (2, 7, 5.0, 4, 0), (2, 9, 6.0, 9, 0)], [(4, 1, 1.0, 1, 0)]],
]


def write(folder: Path) -> None:
    for number, groups in enumerate(PIECES):
        np.save(rows_path(folder, number), np.array([row for group in groups for row in group], dtype=ROW))
        np.save(groups_path(folder, number), np.cumsum([0, *map(len, groups)]))


@pytest.mark.parametrize("rows_for_torch", [1, 1000])
def test_a_group_has_its_users_rows_by_time_and_place(
    rows_for_torch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncf.data.coded.ROWS_FOR_TORCH", rows_for_torch)
    write(tmp_path)
    group = Group(tmp_path / "group.npy", first=2, num_users=2, num_items=10)
    found = collect(group, 1, len(PIECES), tmp_path, False, FilterConfig(), FeedbackConfig())
    log = found.group.read()
    assert list(zip(log.users.tolist(), log.items.tolist(), strict=True)) == [(0, 7), (0, 8), (0, 9), (1, 6), (1, 7)]
    assert log.ratings.tolist() == [1, 3, 6, 4, 2]
    assert found.tally.repeated_pairs == 1
    assert (found.group.rows, found.problems) == (5, [])


def test_neighbouring_users_are_a_group_until_it_is_full() -> None:
    assert first_users_of_groups(np.array([3, 3, 3, 3]), 6).tolist() == [0, 2]
    assert first_users_of_groups(np.array([1, 100, 1, 1]), 10).tolist() == [0, 2]
    assert first_users_of_groups(np.array([5]), 10).tolist() == [0]
