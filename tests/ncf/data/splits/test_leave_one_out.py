import pandas as pd
import pytest

from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings
from ncf.data.split import Pairs, Split
from ncf.data.splits.leave_one_out import leave_one_out
from ncf.errors import DataError

LOG = pd.DataFrame(
    [
        # user, item, time
        ("ann", "a", 50),  # ann's newest: test
        ("bob", "a", 10),
        ("ann", "b", 20),
        ("bob", "b", 30),  # bob's three at one time: the later row is the newer
        ("ann", "c", 40),  # validation
        ("bob", "c", 30),  # validation
        ("cyd", "a", 10),  # two interactions: train only
        ("bob", "d", 30),  # test
        ("ann", "d", 10),
        ("cyd", "d", 20),
    ],
    columns=["user_id", "item_id", "timestamp"],
).assign(rating=1.0)


def interactions(frame: pd.DataFrame) -> Interactions:
    return to_interactions(Ratings.from_frame(frame))


def by_id(split: Split, part: Pairs) -> list[tuple[str, str]]:
    return [(split.user_ids[u], split.item_ids[i]) for u, i in zip(part.users, part.items, strict=True)]


def test_ten_rows_with_the_answer_by_hand() -> None:
    split = leave_one_out(interactions(LOG))
    train = [("ann", "d"), ("ann", "b"), ("bob", "a"), ("bob", "b"), ("cyd", "a"), ("cyd", "d")]
    assert by_id(split, split.train) == train
    assert by_id(split, split.validation) == [("ann", "c"), ("bob", "c")]
    assert by_id(split, split.test) == [("ann", "a"), ("bob", "d")]


def test_the_order_of_the_file_matters_only_at_equal_times() -> None:
    split = leave_one_out(interactions(LOG.iloc[::-1]))
    assert by_id(split, split.validation) == [("ann", "c"), ("bob", "c")]
    assert by_id(split, split.test) == [("ann", "a"), ("bob", "b")]


def test_three_interactions_are_just_enough() -> None:
    frame = pd.DataFrame({"user_id": 1, "item_id": [4, 5, 6], "rating": 1, "timestamp": [3, 2, 1]})
    split = leave_one_out(interactions(frame))
    assert (split.train.items.tolist(), split.validation.items.tolist(), split.test.items.tolist()) == ([2], [1], [0])


def test_nobody_to_evaluate_is_an_error_that_says_the_need() -> None:
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [4, 5, 4], "rating": 1, "timestamp": [1, 2, 3]})
    with pytest.raises(DataError, match=r"largest number is: 2; allowed: at least 3 .*; what to do: use a longer log"):
        leave_one_out(interactions(frame))


def test_every_interaction_is_in_exactly_one_part() -> None:
    given = interactions(LOG)
    split = leave_one_out(given)
    parts = [by_id(split, part) for part in (split.train, split.validation, split.test)]
    together = sorted(pair for part in parts for pair in part)
    assert together == sorted(zip(LOG["user_id"], LOG["item_id"], strict=True))
