from uuid import UUID

import numpy as np
import pandas as pd

from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import to_interactions
from ncf.data.ratings import Ratings
from tests.ncf.data.tiny_logs import ids_of, ratings


def test_integer_ids_become_dense_indices_in_numeric_order() -> None:
    found = to_interactions(ratings([(10, 300, 1), (2, 300, 2), (10, 40, 3)]))
    assert found.user_ids.tolist() == [2, 10]
    assert found.item_ids.tolist() == [40, 300]
    assert found.users.tolist() == [0, 1, 1]
    assert found.items.tolist() == [1, 1, 0]
    assert found.users.dtype == found.items.dtype == "int64"


def test_string_ids_become_dense_indices_in_alphabetic_order() -> None:
    found = to_interactions(ratings([("b", "x", 1), ("a", "x", 2), ("b", "10", 3), ("b", "9", 4)]))
    assert found.user_ids.tolist() == ["a", "b"]
    assert found.item_ids.tolist() == ["10", "9", "x"]
    assert ids_of(found) == [("a", "x"), ("b", "x"), ("b", "10"), ("b", "9")]


def test_each_users_items_are_in_order_of_time_whatever_the_order_of_the_file() -> None:
    found = to_interactions(ratings([(1, 7, 30), (2, 8, 5), (1, 8, 10), (2, 7, 1), (1, 9, 20)]))
    assert ids_of(found) == [(1, 8), (1, 9), (1, 7), (2, 7), (2, 8)]


def test_equal_times_keep_the_order_of_the_file() -> None:
    rows = [(user, item, 5) for item in (9, 3, 7, 1, 8, 2) for user in (2, 1)]
    expected = [(user, item) for user in (1, 2) for item in (9, 3, 7, 1, 8, 2)]
    assert ids_of(to_interactions(ratings(rows))) == expected


def test_the_log_is_left_as_it_is() -> None:
    log = ratings([(2, 5, 90), (1, 6, 50), (2, 5, 10)])
    before = log.frame.copy(deep=True)
    to_interactions(log)
    pd.testing.assert_frame_equal(log.frame, before)


def test_the_order_of_a_dictionary_of_ids_does_not_matter() -> None:
    frame = ratings([("b", "x", 1), ("a", "x", 2), ("b", "y", 3)]).frame
    users = pd.Categorical(frame["user_id"], categories=["b", "unused", "a"])
    found = to_interactions(Ratings.from_frame(frame.assign(user_id=users)))
    assert found.user_ids.tolist() == ["a", "b"]
    assert ids_of(found) == [("a", "x"), ("b", "x"), ("b", "y")]


def test_uuids_are_ids() -> None:
    first, second = UUID(int=1), UUID(int=2)
    frame = pd.DataFrame({"user_id": [second, first], "item_id": [second, second]})
    found = to_interactions(Ratings.from_frame(frame))
    assert (found.user_ids.tolist(), found.item_ids.tolist()) == ([first, second], [second])


def test_times_go_with_their_pairs_and_are_none_where_there_are_none() -> None:
    log = ratings([(2, 7, 30), (1, 8, 10), (2, 9, 20)])
    found = to_interactions(log)
    assert found.times is not None
    assert (found.times // 10**6).tolist() == [10, 20, 30]
    assert to_interactions(Ratings.from_frame(log.frame.drop(columns="timestamp"))).times is None


def test_candidates_are_numbered_even_if_nobody_has_them() -> None:
    frame = pd.DataFrame({"user_id": [4, 9], "item_id": [30, 10]})
    candidates = pd.DataFrame({"user_id": [9, 9, 4], "item_id": [30, 20, 10]})
    found = to_interactions(Ratings.from_frame(frame, candidates=candidates))
    assert found.item_ids.tolist() == [10, 20, 30]
    assert found.items.tolist() == [2, 0]
    assert found.candidates is not None
    assert found.candidates.dtype == np.int64
    assert found.candidates.tolist() == [[1, 2], [1, 1], [0, 0]]


def test_candidates_of_users_who_are_left_out_go_with_them() -> None:
    frame = pd.DataFrame({"user_id": [1, 2, 3], "item_id": [30, 30, 30]})
    candidates = pd.DataFrame({"user_id": [3, 1, 2, 5], "item_id": [10, 20, 40, 50]})
    kept = filter_ratings(Ratings.from_frame(frame, candidates=candidates), FilterConfig(max_users=2))
    found = to_interactions(kept)
    assert found.item_ids.tolist() == [20, 30, 40]
    assert found.candidates is not None
    assert found.candidates.tolist() == [[0, 0], [1, 2]]
