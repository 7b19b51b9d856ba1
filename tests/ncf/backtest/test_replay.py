from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ncf.backtest.plan import Window
from ncf.backtest.replay import Replay, WindowData
from ncf.data.config import DataConfig
from ncf.data.history import DAY
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from tests.ncf.backtest.logs import MONDAY, WEEK, Row, colours, log_of

SECOND = Window(1, MONDAY + WEEK, MONDAY + 2 * WEEK)


def replay_of(rows: list[Row], **data: Any) -> Replay:
    return Replay.of("planted", log_of(rows), DataConfig.model_validate(data))


def met(week: WindowData) -> set[tuple[int, int]]:
    """Outside ids of what came in a window."""
    users, items = week.data.user_ids[week.new_pairs.users], week.data.item_ids[week.new_pairs.items]
    return set(zip(users.tolist(), items.tolist(), strict=True))


def known(week: WindowData) -> set[tuple[int, int]]:
    users, items = week.data.user_ids[week.data.train.users], week.data.item_ids[week.data.train.items]
    return set(zip(users.tolist(), items.tolist(), strict=True))


def test_a_week_has_what_is_new_in_it_and_what_was_known_before() -> None:
    rows: list[Row] = [
        (1, 10, 0, 5),
        (1, 11, 6.99, 5),
        (2, 10, 7, 5),
        (1, 12, 13.99, 5),
        (1, 13, 14, 5),
        (3, 10, 20, 5),
    ]
    week = replay_of(rows).window_data(SECOND)
    assert known(week) == {(1, 10), (1, 11)}
    assert met(week) == {(2, 10), (1, 12)}
    assert week.data.item_ids.tolist() == [10, 11, 12], "items of later weeks are not in the catalogue"


@pytest.mark.parametrize("repeated", ["last", "first", "sum"])
def test_a_pair_that_was_met_before_is_not_met_again(repeated: str) -> None:
    rows: list[Row] = [(1, 10, 0, 5), (2, 11, 1, 5), (1, 10, 8, 5), (1, 11, 9, 5), (1, 11, 30, 5)]
    week = replay_of(rows, filters={"repeated": repeated}).window_data(SECOND)
    assert known(week) == {(1, 10), (2, 11)}
    assert met(week) == {(1, 11)}


def test_ratings_below_the_threshold_count_as_little_as_in_a_training() -> None:
    rows: list[Row] = [(1, 10, 0, 5), (1, 11, 1, 2), (1, 12, 8, 2), (2, 10, 9, 4), (1, 11, 10, 4)]
    week = replay_of(rows, feedback={"threshold": 4}).window_data(SECOND)
    assert known(week) == {(1, 10)}
    assert met(week) == {(2, 10), (1, 11)}, "what was not liked before may be liked now"


def test_a_training_sees_nothing_of_what_comes_after() -> None:
    rows = colours(weeks=6)
    moment = MONDAY + 3 * WEEK
    before = [row for row in rows if MONDAY + row[2] * DAY < moment]
    rng = np.random.default_rng(1)
    other = [(int(rng.integers(500)), int(rng.integers(900)), float(rng.uniform(21, 50)), 1) for _ in range(3000)]
    data = replay_of(rows).before(moment)
    for future in ([], other, [(user, item, 21.0, 5) for user, item, _, _ in before]):
        same = replay_of([*before, *future]).before(moment)
        assert same.fingerprint == data.fingerprint
    pairs = {
        (data.user_ids[u], data.item_ids[i]) for u, i in zip(data.everything.users, data.everything.items, strict=True)
    }
    assert pairs == {(user, item) for user, item, _, _ in before}


def test_the_holdouts_of_a_training_are_the_newest_before_it() -> None:
    rows = colours(weeks=6)
    moment = MONDAY + 3 * WEEK
    data = replay_of(rows).before(moment)
    mine = sorted((day, item) for user, item, day, _ in rows if user == 3 and day < 21)
    place = data.user_ids.tolist().index(3)
    for holdout, (_, item) in ((data.test, mine[-1]), (data.validation, mine[-2])):
        row = holdout.pairs.users.tolist().index(place)
        assert data.item_ids[holdout.pairs.items[row]] == item


def test_the_same_users_are_left_at_every_moment() -> None:
    rows: list[Row] = [(user, item, 7 * (9 - user) + item / 10, 5) for user in range(1, 9) for item in range(5)]
    cut = replay_of(rows, filters={"max_users": 3})
    assert set(cut.log.user_ids.tolist()) == {1, 2, 3}
    assert cut.config.filters.max_users is None


def test_as_of_ends_the_log() -> None:
    rows: list[Row] = [(user, item, day, 5) for user in range(3) for item, day in enumerate((0, 8, 30))]
    moment = "1997-06-01T00:00:00Z"  # 12 days after
    cut = replay_of(rows, filters={"as_of": moment})
    assert cut.span[1] == MONDAY + 8 * DAY
    with pytest.raises(DataError, match="no row is left"):
        replay_of(rows, filters={"as_of": "1990-01-01T00:00:00Z"})


def test_the_fingerprint_depends_on_the_times_too() -> None:
    rows: list[Row] = [(1, 10, 0, 5), (2, 11, 1, 5)]
    assert replay_of(rows).fingerprint == replay_of(rows[::-1]).fingerprint
    assert replay_of(rows).fingerprint != replay_of([(1, 10, 0, 5), (2, 11, 2, 5)]).fingerprint


def test_a_log_without_times_is_refused() -> None:
    rows = log_of([(1, 10, 0, 5), (2, 11, 1, 5)])
    without = Ratings.from_frame(rows.frame.drop(columns="timestamp"))
    with pytest.raises(DataError, match="needs the time of every interaction.*source.columns.timestamp"):
        Replay.of("planted", without, DataConfig())
    split = replace(rows, splits=np.zeros(2, dtype=np.int8))
    with pytest.raises(DataError, match="brings its own split"):
        Replay.of("planted", split, DataConfig())


def test_a_rating_out_of_scale_is_refused_wherever_in_the_log_it_is() -> None:
    with pytest.raises(DataError, match="outside of the scale"):
        replay_of([(1, 10, 0, 5), (2, 11, 90, 9)], feedback={"scale": [1, 5]})
