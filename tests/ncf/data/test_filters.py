from typing import Any

import pandas as pd

from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings
from tests.ncf.data.test_interactions import Row, by_id, ratings


def filtered(log: Ratings, **settings: Any) -> Interactions:
    return to_interactions(filter_ratings(log, FilterConfig.model_validate(settings)))


def test_of_a_repeated_pair_the_newest_is_kept() -> None:
    found = filtered(ratings([(1, 5, 90), (1, 6, 50), (1, 5, 10), (1, 7, 70)]))
    assert by_id(found) == [(1, 6), (1, 7), (1, 5)]


def test_of_a_pair_repeated_at_one_time_the_later_row_is_kept() -> None:
    found = filtered(ratings([(1, 5, 10), (1, 6, 10), (1, 5, 10)]))
    assert by_id(found) == [(1, 6), (1, 5)]


def test_the_same_item_of_two_users_is_no_repetition() -> None:
    assert len(filtered(ratings([(1, 5, 10), (2, 5, 10)])).users) == 2


def test_max_users_keeps_the_smallest_ids_and_only_their_items() -> None:
    found = filtered(ratings([(100, 1, 1), (9, 2, 2), (20, 3, 3), (9, 1, 4)]), max_users=2)
    assert found.user_ids.tolist() == [9, 20]
    assert found.item_ids.tolist() == [1, 2, 3]
    assert by_id(found) == [(9, 2), (9, 1), (20, 3)]


def test_max_users_above_the_number_of_users_keeps_all() -> None:
    rows: list[Row] = [(3, 1, 1), (1, 2, 2)]
    assert by_id(filtered(ratings(rows), max_users=50)) == by_id(filtered(ratings(rows)))


def test_the_log_is_left_as_it_is() -> None:
    log = ratings([(2, 5, 90), (1, 6, 50), (2, 5, 10)])
    before = log.frame.copy(deep=True)
    filtered(log, max_users=2)
    pd.testing.assert_frame_equal(log.frame, before)
