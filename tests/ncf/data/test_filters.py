from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncf.data import TEST, TRAIN, VALIDATION
from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from tests.ncf.data.tiny_logs import Row, filtered, ids_of, rated, ratings, timeless


def at(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def test_of_a_repeated_pair_the_newest_is_kept() -> None:
    found = filtered(ratings([(1, 5, 90), (1, 6, 50), (1, 5, 10), (1, 7, 70)]))
    assert ids_of(found) == [(1, 6), (1, 7), (1, 5)]
    assert found.tally.dropped == (("repeated pair (kept the last)", 1),)
    assert found.tally.repeated_pairs == 1


def test_of_a_repeated_pair_the_oldest_is_kept_if_asked_for() -> None:
    found = filtered(ratings([(1, 5, 90), (1, 6, 50), (1, 5, 10), (1, 7, 70), (1, 5, 20)]), repeated="first")
    assert ids_of(found) == [(1, 5), (1, 6), (1, 7)]
    assert found.tally.dropped == (("repeated pair (kept the first)", 2),)


def test_of_a_pair_repeated_at_one_time_the_later_row_is_kept() -> None:
    found = filtered(ratings([(1, 5, 10), (1, 6, 10), (1, 5, 10)]))
    assert ids_of(found) == [(1, 6), (1, 5)]


def test_of_a_pair_repeated_in_a_log_without_times_the_later_row_is_kept() -> None:
    assert ids_of(filtered(timeless([(1, 5), (1, 6), (1, 5)]))) == [(1, 6), (1, 5)]
    assert ids_of(filtered(timeless([(1, 5), (1, 6), (1, 5)]), repeated="first")) == [(1, 5), (1, 6)]


def test_ratings_of_repeated_pairs_are_summed_at_the_newest_ones_place() -> None:
    log = rated([(1, 5, 2.0, 10), (2, 5, 1.0, 11), (1, 6, 1.0, 20), (1, 5, 0.5, 30), (1, 5, 4.0, 5)])
    kept = filter_ratings(log, FilterConfig(repeated="sum"))
    assert ids_of(to_interactions(kept)) == [(1, 6), (1, 5), (2, 5)]
    assert kept.ratings.tolist() == [1.0, 6.5, 1.0]
    assert (kept.times // 10**6).tolist() == [20, 30, 11]
    assert kept.tally.dropped == (("repeated pair (ratings summed)", 2),)


def test_the_same_item_of_two_users_is_no_repetition() -> None:
    assert len(filtered(ratings([(1, 5, 10), (2, 5, 10)])).users) == 2


def test_as_of_keeps_the_rows_before_and_takes_the_pairs_as_they_were_then() -> None:
    log = rated([(1, 5, 1, 1000), (1, 6, 1, 1100), (1, 5, 1, 1199), (1, 6, 1, 1200), (2, 7, 1, 1300)])
    found = filtered(log, as_of=at(1200))
    assert ids_of(found) == [(1, 6), (1, 5)]
    assert found.user_ids.tolist() == [1]
    assert found.tally.dropped == (
        ("not before 1970-01-01T00:20:00Z", 2),
        ("repeated pair (kept the last)", 1),
    )


def test_a_time_is_taken_in_its_zone() -> None:
    log = rated([(1, 5, 1, 3599), (1, 6, 1, 3600)])
    assert ids_of(filtered(log, as_of="1970-01-01T03:00:00+02:00")) == [(1, 5)]


def test_only_ratings_of_at_least_the_threshold_count() -> None:
    found = filtered(rated([(1, 5, 4.0, 1), (1, 6, 3.9, 2), (2, 7, 1.0, 3), (2, 5, 5.0, 4)]), {"threshold": 4})
    assert ids_of(found) == [(1, 5), (2, 5)]
    assert found.item_ids.tolist() == [5]
    assert found.labels is None
    assert found.tally.dropped == (("rating below 4", 2),)


@pytest.mark.parametrize(
    ("repeated", "expected"), [("last", [(2, 5)]), ("first", [(1, 5)]), ("sum", [(1, 5), (2, 5), (3, 5)])]
)
def test_the_threshold_is_applied_to_the_merged_pair(repeated: str, expected: list[tuple[int, int]]) -> None:
    log = rated([(1, 5, 4, 1), (1, 5, 1, 2), (2, 5, 2, 1), (2, 5, 4, 2), (3, 5, 2, 1), (3, 5, 2, 2), (4, 5, 3, 1)])
    assert ids_of(filtered(log, {"threshold": 4}, repeated=repeated)) == expected


def test_users_and_items_without_a_recent_interaction_are_left_out() -> None:
    log = rated([(1, 5, 1, 1000), (1, 6, 1, 2000), (2, 5, 1, 1500), (2, 7, 1, 1999), (3, 8, 1, 3000)])
    assert ids_of(filtered(log, users_active_since=at(2000))) == [(1, 5), (1, 6), (3, 8)]
    found = filtered(log, items_active_since=at(2000))
    assert ids_of(found) == [(1, 6), (3, 8)]
    assert found.tally.dropped == (("items without an interaction since 1970-01-01T00:33:20Z", 3),)


def test_items_are_looked_at_after_the_users() -> None:
    log = rated([(1, 5, 1, 1000), (1, 6, 1, 2000), (2, 5, 1, 1500)])
    found = filtered(log, users_active_since=at(2000), items_active_since=at(1200))
    assert ids_of(found) == [(1, 6)]


def test_users_with_few_interactions_are_left_out() -> None:
    found = filtered(ratings([(1, 5, 1), (1, 6, 2), (2, 5, 3), (1, 5, 4), (2, 5, 5)]), min_per_user=2)
    assert ids_of(found) == [(1, 6), (1, 5)]
    assert found.tally.dropped[-1] == ("users with fewer than 2 interactions", 1)


def test_items_with_few_interactions_are_left_out() -> None:
    found = filtered(ratings([(1, 5, 1), (1, 6, 2), (2, 5, 3)]), min_per_item=2)
    assert ids_of(found) == [(1, 5), (2, 5)]
    assert found.tally.dropped == (("items with fewer than 2 interactions", 1),)


def test_the_k_core_is_repeated_until_nothing_changes() -> None:
    square: list[Row] = [(user, item, user + item) for user in (1, 2) for item in (10, 11)]
    chain: list[Row] = [(1, 12, 5), (3, 12, 6), (3, 13, 7), (4, 13, 8)]  # falls apart from its end, a link a round
    found = filtered(ratings(chain + square), min_per_user=2, min_per_item=2)
    assert sorted(ids_of(found)) == [(1, 10), (1, 11), (2, 10), (2, 11)]
    assert found.tally.dropped == (
        ("users with fewer than 2 interactions or items with fewer than 2 (k-core, 4 rounds)", 4),
    )


def plain_core(pairs: set[tuple[int, int]], per_user: int, per_item: int) -> set[tuple[int, int]]:
    """The k-core by taking out one pair after the other."""
    while True:
        bad = next(
            (
                pair
                for pair in pairs
                if sum(user == pair[0] for user, _ in pairs) < per_user
                or sum(item == pair[1] for _, item in pairs) < per_item
            ),
            None,
        )
        if bad is None:
            return pairs
        pairs = pairs - {bad}


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1), st.integers(1, 4), st.integers(1, 4))
def test_the_k_core_is_the_one_of_taking_out_pair_by_pair(
    pairs: set[tuple[int, int]], per_user: int, per_item: int
) -> None:
    log = timeless(sorted(pairs))
    expected = plain_core(pairs, per_user, per_item)
    if expected:
        found = filtered(log, min_per_user=per_user, min_per_item=per_item)
        assert sorted(ids_of(found)) == sorted(expected)
        assert sum(rows for _, rows in found.tally.dropped) == len(pairs) - len(expected)
    else:
        with pytest.raises(DataError, match="no interaction is left"):
            filtered(log, min_per_user=per_user, min_per_item=per_item)


def test_max_users_keeps_the_smallest_ids_and_only_their_items() -> None:
    found = filtered(ratings([(100, 1, 1), (9, 2, 2), (20, 3, 3), (9, 1, 4)]), max_users=2)
    assert found.user_ids.tolist() == [9, 20]
    assert found.item_ids.tolist() == [1, 2, 3]
    assert ids_of(found) == [(9, 2), (9, 1), (20, 3)]


def test_max_users_counts_the_users_that_the_other_filters_left() -> None:
    log = ratings([(1, 5, 1), (2, 5, 1), (2, 6, 2), (3, 5, 1), (4, 5, 1), (4, 6, 2), (5, 5, 1), (5, 6, 1)])
    assert filtered(log, min_per_user=2, max_users=2).user_ids.tolist() == [2, 4]


def test_max_users_above_the_number_of_users_keeps_all() -> None:
    rows: list[Row] = [(3, 1, 1), (1, 2, 2)]
    assert ids_of(filtered(ratings(rows), max_users=50)) == ids_of(filtered(ratings(rows)))


def test_the_log_is_left_as_it_is() -> None:
    log = ratings([(2, 5, 90), (1, 6, 50), (2, 5, 10)])
    before = log.frame.copy(deep=True)
    filtered(log, max_users=2, repeated="sum", min_per_item=1)
    pd.testing.assert_frame_equal(log.frame, before)


def test_stages_that_leave_out_nothing_are_not_counted() -> None:
    assert filtered(ratings([(1, 5, 1), (2, 6, 2)]), max_users=9, as_of="2100-01-01T00:00:00Z").tally.dropped == ()


def test_a_filter_that_leaves_nothing_is_named() -> None:
    with pytest.raises(DataError, match=r"no interaction is left; the last 2 were left out as: 'rating below 4'"):
        filtered(ratings([(1, 5, 1), (2, 6, 2)]), {"threshold": 4})


@pytest.mark.parametrize("name", ["as_of", "users_active_since", "items_active_since"])
def test_a_filter_by_time_is_refused_for_a_log_without_times(name: str) -> None:
    with pytest.raises(DataError, match=f"no times, which data.filters.{name} needs: '2025-01-31T00:00:00Z'"):
        filtered(timeless([(1, 5)]), None, **{name: "2025-01-31T00:00:00Z"})


GIVEN = [(1, 5), (1, 6), (2, 5), (2, 7), (1, 7), (2, 6)]
SPLITS = [TRAIN, TRAIN, TRAIN, VALIDATION, TEST, TEST]


def given_split(rows: Sequence[tuple[int, int]] = GIVEN, splits: Sequence[int] = SPLITS) -> Ratings:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id"]).assign(timestamp=range(len(rows)))
    return Ratings.from_frame(frame, splits=np.array(splits, dtype=np.int8))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "2025-01-31T00:00:00Z") for name in ("as_of", "users_active_since", "items_active_since")),
        *((name, 2) for name in ("min_per_user", "min_per_item")),
    ],
)
def test_a_filter_that_would_change_a_given_split_is_refused(name: str, value: object) -> None:
    with pytest.raises(DataError, match=f"brings its own split, which data.filters.{name} would change"):
        filtered(given_split(), None, **{name: value})


def with_splits(found: Interactions) -> list[tuple[object, object, int]]:
    assert found.splits is not None
    return [(*pair, int(part)) for pair, part in zip(ids_of(found), found.splits, strict=True)]


def test_the_splits_of_a_given_split_go_with_their_rows() -> None:
    found = filtered(given_split(GIVEN[::-1], SPLITS[::-1]))
    assert sorted(with_splits(found)) == sorted((*pair, part) for pair, part in zip(GIVEN, SPLITS, strict=True))


def test_repeated_pairs_within_a_part_are_merged() -> None:
    found = filtered(given_split([(1, 5), (1, 6), (1, 5), (1, 7), (1, 7)], [0, 0, 0, 2, 2]))
    assert with_splits(found) == [(1, 6, TRAIN), (1, 5, TRAIN), (1, 7, TEST)]
    assert found.tally.repeated_pairs == 2


def test_a_pair_in_two_splits_of_a_given_split_is_refused() -> None:
    with pytest.raises(DataError, match=r"user 2 has item 7 in two of the splits .*: 'train and test'"):
        filtered(given_split([*GIVEN[:3], (2, 7), (1, 7), (2, 7)], [0, 0, 0, 2, 2, 0]))


def test_the_threshold_applies_to_all_splits_of_a_given_split() -> None:
    log = given_split()
    log = replace(log, frame=log.frame.assign(rating=[5.0, 1.0, 5.0, 1.0, 5.0, 1.0]))
    assert with_splits(filtered(log, {"threshold": 4})) == [(1, 5, TRAIN), (1, 7, TEST), (2, 5, TRAIN)]


def test_a_user_of_a_given_split_who_loses_all_of_train_by_the_threshold_is_not_evaluated() -> None:
    log = given_split()
    log = replace(log, frame=log.frame.assign(rating=[5.0, 1.0, 1.0, 5.0, 5.0, 5.0]))
    found = filtered(log, {"threshold": 4})
    assert with_splits(found) == [(1, 5, TRAIN), (1, 7, TEST)]
    assert found.tally.dropped == (("rating below 4", 2), ("held out of users with nothing left in train", 2))


def test_max_users_keeps_the_users_of_a_given_split_in_all_splits() -> None:
    log = given_split([*GIVEN, (3, 5)], [*SPLITS, TRAIN])
    assert sorted(with_splits(filtered(log, max_users=2))) == sorted(
        (*pair, part) for pair, part in zip(GIVEN, SPLITS, strict=True)
    )
