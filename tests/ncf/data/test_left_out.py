"""What filters leave out of a log though the users have the items: it is remembered, for serving."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncf.data import TEST, TRAIN, VALIDATION
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData, left_out_of
from ncf.data.ratings import Ratings
from ncf.data.storage import load_prepared, save_prepared
from ncf.errors import DataError
from ncf.prepare import prepare_ratings
from tests.ncf.data.tiny_logs import ids_of, rated

Pair = tuple[Any, Any]
HOUR = "1970-01-01T01:00:00Z"  # 3600 s


def pairs_of(frame: pd.DataFrame) -> list[Pair]:
    return list(frame[["user_id", "item_id"]].itertuples(index=False, name=None))


def liked_of(log: Ratings, feedback: dict[str, Any] | None = None, **filters: Any) -> dict[Pair, bool]:
    """Whether the pairs that were left out would count as interactions."""
    found = filter_ratings(log, FilterConfig.model_validate(filters), FeedbackConfig.model_validate(feedback or {}))
    frame = left_out_of(found)
    assert frame["liked"].dtype == bool
    return dict(zip(pairs_of(frame), frame["liked"].tolist(), strict=True))


def divided(log: Ratings, feedback: dict[str, Any] | None = None, **filters: Any) -> tuple[list[Pair], list[Pair]]:
    """The pairs that count as interactions, and those that were left out though the users have the items; sorted."""
    found = filter_ratings(log, FilterConfig.model_validate(filters), FeedbackConfig.model_validate(feedback or {}))
    return sorted(ids_of(to_interactions(found))), sorted(pairs_of(left_out_of(found)))


LIKED_AND_NOT = rated([(1, 5, 4, 1), (1, 6, 2, 2), (2, 5, 5, 3), (2, 7, 3.5, 4), (3, 6, 1, 5)])


def test_ratings_below_the_threshold_are_left_out_though_the_users_have_them() -> None:
    assert divided(LIKED_AND_NOT, {"threshold": 4}) == ([(1, 5), (2, 5)], [(1, 6), (2, 7), (3, 6)])


def test_they_are_forgotten_if_that_is_asked_for() -> None:
    unseen = {"threshold": 4, "below_threshold": "unseen"}
    assert divided(LIKED_AND_NOT, unseen) == ([(1, 5), (2, 5)], [])


def test_without_filters_nothing_is_left_out() -> None:
    assert divided(LIKED_AND_NOT) == ([(1, 5), (1, 6), (2, 5), (2, 7), (3, 6)], [])


@pytest.mark.parametrize(("repeated", "below"), [("last", [(1, 5)]), ("first", [(2, 6)]), ("sum", [])])
def test_a_repeated_pair_is_one_pair_on_whichever_side_it_ends(repeated: str, below: list[Pair]) -> None:
    log = rated([(1, 5, 4, 1), (1, 5, 1, 2), (2, 6, 2, 1), (2, 6, 4, 2), (3, 5, 5, 1), (3, 5, 5, 2)])
    every = [(1, 5), (2, 6), (3, 5)]
    assert divided(log, {"threshold": 4}, repeated=repeated) == ([pair for pair in every if pair not in below], below)


def test_of_users_and_items_that_are_no_longer_active() -> None:
    log = rated([(1, 5, 1, 3000), (1, 6, 1, 3600), (2, 5, 1, 3500), (2, 7, 1, 3599), (3, 8, 1, 4000)])
    assert divided(log, users_active_since=HOUR) == ([(1, 5), (1, 6), (3, 8)], [(2, 5), (2, 7)])
    assert divided(log, items_active_since=HOUR) == ([(1, 6), (3, 8)], [(1, 5), (2, 5), (2, 7)])
    both = divided(log, users_active_since=HOUR, items_active_since=HOUR)
    assert both == ([(1, 6), (3, 8)], [(1, 5), (2, 5), (2, 7)])


FEW = rated([(1, 5, 1, 1), (1, 6, 1, 2), (2, 5, 1, 3), (2, 6, 1, 4), (3, 5, 1, 5), (1, 7, 1, 6)])


def test_of_users_and_items_with_few_interactions() -> None:
    four, three = [(1, 5), (1, 6), (2, 5), (2, 6)], (3, 5)
    assert divided(FEW, min_per_user=2) == (sorted([*four, (1, 7)]), [three])
    assert divided(FEW, min_per_item=2) == (sorted([*four, three]), [(1, 7)])
    assert divided(FEW, min_per_user=2, min_per_item=2) == (four, [(1, 7), three])


def test_rows_that_the_log_is_read_without_are_not_remembered() -> None:
    log = rated(
        [(1, 5, 4, 9), (1, 6, 1, 10), (1, 7, 1, 3600), (2, 5, 4, 11), (3, 5, 1, 12), (3, 6, 4, 13), (4, 5, 1, 14)]
    )
    kept, left_out = [(1, 5), (2, 5), (3, 6)], [(1, 6), (3, 5), (4, 5)]
    assert divided(log, {"threshold": 4}, as_of=HOUR) == (kept, left_out)
    assert divided(log, {"threshold": 4}, as_of=HOUR, max_users=2) == (kept[:2], left_out[:1])


def test_of_users_of_a_given_split_who_lose_train_also_what_was_held_out() -> None:
    frame = pd.DataFrame({"user_id": [1, 1, 2, 2, 2], "item_id": [5, 6, 5, 6, 7], "rating": [5.0, 5, 1, 5, 5]})
    log = Ratings.from_frame(frame, splits=np.array([TRAIN, TEST, TRAIN, VALIDATION, TEST], dtype=np.int8))
    assert divided(log, {"threshold": 4}) == ([(1, 5), (1, 6)], [(2, 5), (2, 6), (2, 7)])
    unseen = {"threshold": 4, "below_threshold": "unseen"}
    assert divided(log, unseen) == ([(1, 5), (1, 6)], [(2, 6), (2, 7)]), "which were not rated below it"


def test_what_counts_and_was_left_out_all_the_same_is_told_apart_from_what_does_not_count() -> None:
    log = rated([(1, 5, 5, 1), (1, 6, 5, 2), (2, 5, 5, 3), (2, 7, 1, 4), (3, 5, 1, 5)])
    expected = {(2, 5): True, (2, 7): False, (3, 5): False}
    assert liked_of(log, {"threshold": 4}, min_per_user=2) == expected
    expected |= {(1, 6): True}
    del expected[2, 5]
    assert liked_of(log, {"threshold": 4}, min_per_item=2) == expected
    since = "1970-01-01T00:00:02Z"
    assert liked_of(log, items_active_since="1970-01-01T00:00:03Z") == {(1, 6): True}
    assert liked_of(log, users_active_since="1970-01-01T00:00:03Z") == {(1, 5): True, (1, 6): True}
    assert liked_of(log, {"threshold": 4}, users_active_since=since) == {(2, 7): False, (3, 5): False}
    frame = pd.DataFrame({"user_id": [1, 1, 2, 2, 2], "item_id": [5, 6, 5, 6, 7], "rating": [5.0, 5, 1, 5, 5]})
    own = Ratings.from_frame(frame, splits=np.array([TRAIN, TEST, TRAIN, VALIDATION, TEST], dtype=np.int8))
    assert liked_of(own, {"threshold": 4}) == {(2, 5): False, (2, 6): True, (2, 7): True}


rows_of_a_log = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(1, 5), st.integers(0, 7200)), min_size=1, max_size=25
)


@given(
    rows_of_a_log,
    st.fixed_dictionaries(
        {},
        optional={
            "repeated": st.sampled_from(["first", "last", "sum"]),
            "as_of": st.just("1970-01-01T01:30:00Z"),
            "users_active_since": st.just(HOUR),
            "items_active_since": st.just(HOUR),
            "min_per_user": st.integers(1, 3),
            "min_per_item": st.integers(1, 3),
        },
    ),
    st.sampled_from([None, 3]),
)
def test_every_pair_counts_or_is_left_out_and_never_both(
    rows: list[tuple[int, int, float, int]], filters: dict[str, Any], threshold: int | None
) -> None:
    log = rated(rows)
    read = {(user, item) for user, item, _, second in rows if "as_of" not in filters or second < 5400}
    try:
        kept, left_out = divided(log, {"threshold": threshold}, **filters)
    except DataError:  # nothing is left
        return
    assert sorted([*kept, *left_out]) == sorted(read)


def some(users: tuple[Any, ...], items: tuple[Any, ...]) -> PreparedData:
    """Three users and five items; the third user is left out for one interaction, two items for none."""
    rows = [(0, 0, 5), (0, 1, 5), (0, 2, 5), (0, 3, 1), (1, 0, 5), (1, 2, 5), (2, 1, 5), (1, 4, 2)]
    frame = pd.DataFrame(
        {
            "user_id": [users[user] for user, _, _ in rows],
            "item_id": [items[item] for _, item, _ in rows],
            "rating": [float(rating) for *_, rating in rows],
            "timestamp": range(len(rows)),
        }
    )
    return prepare_ratings(Ratings.from_frame(frame), {"feedback": {"threshold": 4}, "filters": {"min_per_user": 2}})


KINDS = [
    ((10, 20, 30), (1, 2, 3, 4, 5)),
    (("ann", "bob", "zoë"), ("03", "1", "2", "é", "x y")),
    (tuple(UUID(int=n << 64) for n in (1, 2, 3)), tuple(UUID(int=n) for n in range(5))),
    ((10, 20, 30), tuple(UUID(int=n) for n in range(5))),
]
every_kind = pytest.mark.parametrize(("users", "items"), KINDS, ids=["integers", "texts", "UUIDs", "mixed"])


@every_kind
def test_they_are_kept_by_their_ids_and_come_back_from_disk(
    users: tuple[Any, ...], items: tuple[Any, ...], tmp_path: Path
) -> None:
    data = some(users, items)
    assert data.user_ids.tolist() == list(users[:2])
    assert data.item_ids.tolist() == list(items[:3])
    expected = [(users[0], items[3]), (users[1], items[4]), (users[2], items[1])]
    assert pairs_of(data.left_out) == expected
    assert data.left_out["liked"].tolist() == [False, False, True]
    save_prepared(data, tmp_path / "data")
    found = load_prepared(tmp_path / "data")
    assert pairs_of(found.left_out) == expected
    assert found.left_out["liked"].tolist() == [False, False, True]
    assert [type(value) for pair in pairs_of(found.left_out) for value in pair] == [
        type(value) for pair in expected for value in pair
    ]
    nothing = replace(data, left_out=data.left_out[:0])
    save_prepared(nothing, tmp_path / "data")
    assert len(load_prepared(tmp_path / "data").left_out) == 0


def test_models_do_not_see_them() -> None:
    data = some(*KINDS[0])
    assert data.fingerprint == replace(data, left_out=data.left_out[:1]).fingerprint
    assert len(data.everything) == 5
    assert data.refitted(test=True).left_out is data.left_out
