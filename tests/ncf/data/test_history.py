"""When pairs came: by day, and the newest tenth of them."""

import numpy as np
import pandas as pd
import pytest

from ncf.data.config import DataConfig
from ncf.data.history import DAY, DayCounts, History
from ncf.data.interactions import to_interactions
from ncf.data.ratings import Ratings
from ncf.prepare import prepare_ratings


def ratings(rows: list[tuple[int, int, float]]) -> Ratings:
    """Users, items, and days since 1970."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return Ratings.from_frame(frame.assign(timestamp=(frame["timestamp"] * 86_400).astype(int)), time_unit="s")


def test_days_have_their_interactions_and_the_users_who_were_active() -> None:
    times = np.array([3 * DAY, 9 * DAY, 3 * DAY + 5, 4 * DAY - 1])
    counts = DayCounts.of(np.array([0, 0, 1, 1]), times)
    assert counts.frame().to_dict("list") == {"day": [3, 9], "interactions": [3, 1], "users": [2, 1]}
    again = DayCounts.of_frame(counts.frame())
    assert again.frame().equals(counts.frame())


def test_no_pairs_have_no_days() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert DayCounts.of(nothing, nothing).frame().empty


def test_the_newest_tenth_is_apart() -> None:
    rows = [(user, 5 + user % 2, 100.0 + user) for user in range(18)]  # item 5 on even days, 6 on odd ones
    newest = [(3, 7, 200.0), (1, 5, 201.0)]
    history = History.of(to_interactions(ratings([*newest, *rows])))
    assert history.early.tolist() == [9, 9, 0]
    assert history.recent.tolist() == [1, 0, 1]
    assert history.last_time == 201 * DAY
    assert history.by_day.days.tolist() == [*range(100, 118), 200, 201]


def test_of_pairs_of_one_time_the_later_ones_are_the_newer() -> None:
    history = History.of(to_interactions(ratings([(user, user, 100.0) for user in range(20)])))
    assert history.recent.tolist() == [0] * 18 + [1, 1]
    assert history.early.tolist() == [1] * 18 + [0, 0]


def test_of_few_pairs_the_newest_is_the_newest_tenth() -> None:
    history = History.of(to_interactions(ratings([(1, 5, 9.0), (1, 6, 8.0)])))
    assert history.early.tolist() == [0, 1]
    assert history.recent.tolist() == [1, 0]


def test_without_times_both_are_all_pairs() -> None:
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [5, 6, 5]})
    history = History.of(to_interactions(Ratings.from_frame(frame)))
    assert history.early.tolist() == history.recent.tolist() == [2, 1]
    assert history.last_time is None
    assert history.by_day.frame().empty


@pytest.mark.parametrize("kind", ["leave-one-out", "random"])
def test_the_prepared_data_have_the_history_of_all_splits(kind: str) -> None:
    rows = [(user, user + item, 10.0 * user + item) for user in range(4) for item in range(5)]
    config = DataConfig.model_validate({"split": {"kind": kind}})
    data = prepare_ratings(ratings(rows), config, name="shop")
    report = data.report
    assert data.history is not None
    assert (data.history.early + data.history.recent).sum() == report.interactions == 20
    assert data.history.recent.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]  # user 3's last two
