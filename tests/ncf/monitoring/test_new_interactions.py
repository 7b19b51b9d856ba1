import pandas as pd
import pytest

from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.ratings import Ratings
from ncf.monitoring.new_interactions import NewInteractions, find_new_interactions, newcomers
from ncf.serving.bundle import Bundle
from tests.ncf.monitoring.logs import KNOWN, LAST, bundle_with, log_of
from tests.ncf.serving.bundles import bundle_of, some_data, with_uuids

NEW = [(30, 5, 111), (40, 0, 112), (10, 9, 110), (5, 9, 113), (30, 1, 110)]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return bundle_with([[0.0] * 6] * 3)


def rows(arrived: NewInteractions) -> list[tuple[int, int]]:
    return list(zip(arrived.users.tolist(), arrived.items.tolist(), strict=True))


def test_what_is_in_the_log_alone_is_new_each_users_in_order_of_time(bundle: Bundle) -> None:
    arrived = find_new_interactions(log_of(NEW), bundle)
    assert rows(arrived) == [(3, 6), (0, 6), (2, 1), (2, 5), (4, 0)]  # users 5 and 40, and item 9, are unknown
    assert arrived.times is not None
    assert (arrived.times / 86_400e6).tolist() == [113, 110, 110, 111, 112]
    assert (arrived.new_users, arrived.new_items, arrived.known_pairs, arrived.lost_pairs) == (2, 1, 10, 0)
    assert arrived.item_counts.tolist() == [1, 1, 0, 0, 0, 1, 2]


def test_nothing_new_is_nothing(bundle: Bundle) -> None:
    arrived = find_new_interactions(log_of([]), bundle)
    assert len(arrived) == arrived.lost_pairs == arrived.new_users == arrived.new_items == 0
    assert newcomers(arrived).model_dump() == {
        **{"users": 0, "items": 0},
        **{"user_share": 0.0, "item_share": 0.0, "either_share": 0.0},
    }


def test_what_is_known_and_not_in_the_log_is_lost(bundle: Bundle) -> None:
    arrived = find_new_interactions(log_of([(30, 5, 111)], KNOWN[3:]), bundle)
    assert (len(arrived), arrived.known_pairs, arrived.lost_pairs) == (1, 10, 3)


def test_a_pair_that_comes_again_is_neither_new_nor_lost(bundle: Bundle) -> None:
    arrived = find_new_interactions(log_of([(10, 0, 150)]), bundle)
    assert (len(arrived), arrived.lost_pairs) == (0, 0)


def test_shares_of_unknown_users_and_items(bundle: Bundle) -> None:
    found = newcomers(find_new_interactions(log_of(NEW), bundle))
    assert (found.users, found.items) == (2, 1)
    assert (found.user_share, found.item_share, found.either_share) == (2 / 5, 2 / 5, 3 / 5)


def test_what_is_not_newer_came_late(bundle: Bundle) -> None:
    arrived = find_new_interactions(log_of([(10, 4, LAST - 5), (10, 5, LAST), (20, 3, LAST + 1)]), bundle)
    assert arrived.since(bundle.history.last_time).tolist() == [False, False, True]
    assert arrived.since(None).all()


def test_without_times_everything_is_since(bundle: Bundle) -> None:
    frame = pd.DataFrame([*KNOWN, (10, 5)], columns=["user_id", "item_id"])
    arrived = find_new_interactions(filter_ratings(Ratings.from_frame(frame), FilterConfig()), bundle)
    assert arrived.times is None
    assert arrived.since(bundle.history.last_time).tolist() == [True]


def test_ids_of_another_type_are_all_unknown_and_named(bundle: Bundle) -> None:
    arrived = find_new_interactions(log_of([], [(f"u{user}", item) for user, item in KNOWN]), bundle)
    assert (len(arrived), arrived.lost_pairs, arrived.new_users, arrived.new_items) == (10, 10, 3, 0)
    assert arrived.retyped == ("user_id: int, now str",)


def test_uuids_are_known_again() -> None:
    data = with_uuids(some_data())
    pairs = data.everything
    frame = pd.DataFrame({"user_id": data.user_ids[pairs.users], "item_id": data.item_ids[pairs.items]})
    arrived = find_new_interactions(filter_ratings(Ratings.from_frame(frame), FilterConfig()), bundle_of(data))
    assert (len(arrived), arrived.lost_pairs, arrived.retyped) == (0, 0, ())
