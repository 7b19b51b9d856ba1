from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ncf.data.config import DataConfig
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.prepare import prepare_ratings


def prepared(pairs: Sequence[tuple[object, object]], **filters: Any) -> PreparedData:
    """Pairs in the order of their times."""
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"]).assign(timestamp=range(1, len(pairs) + 1))
    config = DataConfig.model_validate({"filters": filters, "num_candidates": 2})
    return prepare_ratings(Ratings.from_frame(frame), config, name="log")


def product(users: str, items: str) -> list[tuple[object, object]]:
    return [(user, item) for user in users for item in items]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (product("u", "abcd"), "all rows are of one user: 'u'; allowed: at least 2 users; what to do: check that"),
        (product("uvwx", "a"), "all rows are of one item: 'a'; allowed: at least 2 items; what to do: check that"),
        ([("u", "a")] * 5, "all rows are the same pair: {'user_id': 'u', 'item_id': 'a'}; allowed: at least 2 users"),
        ([(1, 2)] * 5, "all rows are the same pair: {'user_id': 1, 'item_id': 2}; allowed: at least 2 users"),
        (product("uvw", "abcd"), r"every user has every item, .*: \(3, 4\); allowed: at least one pair that did not"),
        (product("uv", "ab"), "every user has every item"),
        ([*product("uv", "ab"), ("w", "c")], r"no user has enough .*: 2; allowed: at least 3"),
    ],
)
def test_a_log_that_nothing_can_be_learned_from_is_refused(pairs: list[tuple[object, object]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        prepared(pairs)


def test_filters_that_leave_one_user_are_refused() -> None:
    with pytest.raises(DataError, match=r"all rows are of one user: 'u'; .*filters \(data.filters\) leave more users"):
        prepared([*product("u", "abcde"), ("v", "a")], min_per_user=2)


def test_filters_that_leave_nothing_say_what_each_took() -> None:
    log = [*product("u", "abc"), ("v", "d"), ("v", "d")]
    words = (
        r"no interaction is left; the last 4 .*fewer than 9 .*left out before: 1 as 'repeated pair \(kept the last\)'"
    )
    with pytest.raises(DataError, match=words):
        prepared(log, min_per_user=9)


def test_a_user_with_every_item_is_fine_and_told() -> None:
    data = prepared([*product("u", "abcd"), *product("v", "abc")])
    report = data.report
    assert np.sort(data.test.candidates).tolist() == [[-1, -1], [-1, 3]]
    assert report.users_with_every_item == 1
    assert report.notes == [
        "evaluated users with no unseen item to rank with theirs, which so comes first in the sampled protocol: 1"
    ]
