import pytest

from ncf.data.splits import leave_one_out
from ncf.errors import DataError
from tests.ncf.data.tiny_logs import by_split, tiny_log

LOG = [
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
]


def test_ten_rows_with_the_answer_by_hand() -> None:
    assert by_split(leave_one_out(tiny_log(LOG))) == {
        "train": ["ann d", "ann b", "bob a", "bob b", "cyd a", "cyd d"],
        "validation": ["ann c", "bob c"],
        "test": ["ann a", "bob d"],
        "other": [],
    }


def test_the_order_of_the_file_matters_only_at_equal_times() -> None:
    found = by_split(leave_one_out(tiny_log(LOG[::-1])))
    assert (found["validation"], found["test"]) == (["ann c", "bob c"], ["ann a", "bob b"])


def test_three_interactions_are_just_enough() -> None:
    split = leave_one_out(tiny_log([("ann", "a", 3), ("ann", "b", 2), ("ann", "c", 1)]))
    assert by_split(split) == {"train": ["ann c"], "validation": ["ann b"], "test": ["ann a"], "other": []}


def test_nobody_to_evaluate_is_an_error_that_says_the_need() -> None:
    with pytest.raises(DataError, match=r"largest number is: 2; allowed: at least 3 .*; what to do: use a longer log"):
        leave_one_out(tiny_log([("ann", "a", 1), ("ann", "b", 2), ("bob", "a", 3)]))
