from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from ncf.data.config import SplitConfig
from ncf.data.splits import split_interactions
from ncf.errors import DataError
from tests.ncf.data.tiny_logs import by_split, tiny_log, with_labels

ROWS = [(f"u{user:03}", f"i{item}", 10 * item) for user in range(600) for item in range(5)]
RANDOM = SplitConfig(kind="random")
TWO_ONLY = [("x", "i0", 1), ("x", "i1", 2)]


@pytest.mark.parametrize("times", [True, False])
def test_each_user_with_three_has_one_each(times: bool) -> None:
    split = split_interactions(tiny_log(ROWS + TWO_ONLY, times=times), SplitConfig(kind="random"))
    found = by_split(split)
    assert len(split.test) == len(split.validation) == len(set(split.test.users)) == 600
    assert found["other"] == []
    assert {"x i0", "x i1"} <= set(found["train"])
    together = found["train"] + found["validation"] + found["test"]
    assert sorted(together) == sorted(f"{user} {item}" for user, item, _ in ROWS + TWO_ONLY)


def test_every_item_is_as_likely_in_either_holdout() -> None:
    split = split_interactions(tiny_log(ROWS), SplitConfig(kind="random"))
    for part in (split.validation, split.test):
        counts = Counter(part.items.tolist())  # 120 expected of each; the standard deviation is 9.8
        assert all(80 < counts[item] < 160 for item in range(5))
    both = Counter(zip(split.validation.items.tolist(), split.test.items.tolist(), strict=True))
    assert len(both) == 20  # every ordered pair occurs


@pytest.mark.parametrize("times", [True, False])
def test_the_order_of_the_file_does_not_matter(times: bool) -> None:
    shuffled = [ROWS[place] for place in np.random.default_rng(3).permutation(len(ROWS))]
    one, other = (
        split_interactions(tiny_log(rows, times=times), SplitConfig(kind="random", seed=5)) for rows in (ROWS, shuffled)
    )
    assert by_split(one) == by_split(other)


@pytest.mark.parametrize("kind", [str, lambda value: int(value[1:]), lambda value: UUID(int=int(value[1:]))])
def test_nothing_that_was_learned_is_held_out_once_the_log_has_grown(kind: Callable[[str], Any]) -> None:
    """Else a champion is compared on what it has learned, and no model on newer data is as good as it."""
    more = [("u000", "i9", 1), ("u007", "i9", 1), ("u900", "i1", 1)]  # a new item, and a new user
    old, new = (
        split_interactions(tiny_log([(kind(user), kind(item), time) for user, item, time in rows]), RANDOM)
        for rows in (ROWS, [*more, *ROWS])
    )
    before, after = by_split(old), by_split(new)
    assert not set(after["test"]) & set(before["train"])
    moved = set(after["test"]) ^ set(before["test"])
    assert len(moved) <= 4, "the new pairs of two users may take the places of theirs"


def test_the_seed_decides() -> None:
    first, again, other = (
        by_split(split_interactions(tiny_log(ROWS), SplitConfig(kind="random", seed=seed))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first["test"] != other["test"]


def test_a_log_without_times_is_split_at_random_and_that_is_noted() -> None:
    split = split_interactions(tiny_log(ROWS, times=False), SplitConfig(seed=5))
    assert by_split(split) == by_split(
        split_interactions(tiny_log(ROWS, times=False), SplitConfig(kind="random", seed=5))
    )
    assert split.tally.notes == ("the log has no times: the split is random, with seed 5, instead of leave-one-out",)
    assert split_interactions(tiny_log(ROWS), SplitConfig()).tally.notes == ()


def test_labels_follow_the_train_rows() -> None:
    rows = [("ann", "d", 0), ("ann", "b", 0), ("ann", "a", 0), ("ann", "c", 0)]
    split = split_interactions(with_labels(tiny_log(rows, times=False)), SplitConfig(kind="random"))
    own = {"ann d": 0.0, "ann b": 0.01, "ann a": 0.02, "ann c": 0.03}
    assert split.labels is not None
    assert split.labels.tolist() == pytest.approx([own[pair] for pair in by_split(split)["train"]])


def test_nobody_with_three_is_an_error_that_says_the_need() -> None:
    with pytest.raises(DataError, match=r"largest number is: 2; allowed: at least 3"):
        split_interactions(tiny_log(TWO_ONLY), SplitConfig(kind="random"))
