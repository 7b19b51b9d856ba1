"""The whole way from a log to prepared data: what must not matter does not, and what was asked for is there."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ncf.data.config import DataConfig
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.prepare import prepare_ratings
from tests.ncf.toy_data import pair_rows

START = 1_700_000_000

Log = list[tuple[int, str, int, int]]  # user, item, rating, seconds; every time once
pair = st.tuples(st.integers(0, 4), st.sampled_from("abcdef"), st.integers(1, 5))
logs: st.SearchStrategy[Log] = st.lists(pair, min_size=20, max_size=60).map(
    lambda rows: [(*row, START + 10 * place) for place, row in enumerate(rows)]
)
feedbacks = st.sampled_from([{}, {"threshold": 2}, {"kind": "explicit", "scale": (1, 400)}])
choices = st.fixed_dictionaries(
    {
        "repeated": st.sampled_from(["last", "first", "sum"]),
        "min_per_user": st.integers(1, 4),
        "min_per_item": st.integers(1, 3),
        "max_users": st.sampled_from([None, 2, 3]),
    }
)


def outcome(log: Log, feedback: dict[str, Any], filters: dict[str, Any]) -> str:
    """The fingerprint, or why there is none."""
    if not log:
        return "nothing"
    frame = pd.DataFrame(log, columns=["user_id", "item_id", "rating", "timestamp"])
    config = DataConfig.model_validate({"feedback": feedback, "filters": filters, "num_candidates": 3})
    try:
        return prepare_ratings(Ratings.from_frame(frame, time_unit="s"), config, name="log").fingerprint
    except DataError as error:
        return str(error).split(" (left out before")[0]  # which is not the same by design


@given(logs, st.randoms(use_true_random=False), feedbacks, choices)
def test_the_order_of_the_rows_does_not_matter_where_times_differ(
    log: Log, random: Any, feedback: dict[str, Any], filters: dict[str, Any]
) -> None:
    shuffled = random.sample(log, len(log))
    assert outcome(shuffled, feedback, filters) == outcome(log, feedback, filters)


@given(logs, st.integers(0, 60), st.randoms(use_true_random=False), feedbacks, choices)
def test_a_log_that_has_grown_gives_what_all_of_it_gives_from_the_start(
    log: Log, known: int, random: Any, feedback: dict[str, Any], filters: dict[str, Any]
) -> None:
    arrived_late = random.sample(log, len(log))
    old, new = arrived_late[:known], arrived_late[known:]
    before = outcome(old, feedback, filters)
    assert outcome(old + new, feedback, filters) == outcome(log, feedback, filters)
    assert outcome(old, feedback, filters) == before


@given(logs, st.integers(0, 60), feedbacks, choices)
def test_as_of_gives_what_would_have_been_prepared_then(
    log: Log, known: int, feedback: dict[str, Any], filters: dict[str, Any]
) -> None:
    moment = datetime.fromtimestamp(START + 10 * known, UTC)
    then = [row for row in log if row[3] < moment.timestamp()]
    if then:
        assert outcome(log, feedback, {**filters, "as_of": moment}) == outcome(then, feedback, filters)


def prepared(rows: Log, **data: Any) -> Any:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])
    config = DataConfig.model_validate(data)
    return prepare_ratings(Ratings.from_frame(frame, time_unit="s"), config, name="log")


STARS: Log = [
    (1, "a", 5, 1000),
    (1, "b", 1, 1001),
    (1, "c", 3, 1002),
    (1, "d", 2, 1003),
    (2, "d", 4, 1000),
    (2, "a", 2, 1001),
    (1, "a", 4, 1004),
]


def test_labels_go_with_train_and_a_low_rating_is_held_out_as_any_other() -> None:
    data = prepared(STARS, feedback={"kind": "explicit", "scale": (1, 5)})
    assert pair_rows(data.train) == [(0, 1), (0, 2), (1, 3), (1, 0)]
    assert data.labels.tolist() == np.array([0.2, 0.6, 0.8, 0.4], dtype=np.float32).tolist()
    assert pair_rows(data.validation.pairs) == [(0, 3)]
    assert pair_rows(data.test.pairs) == [(0, 0)]


def test_other_ratings_are_other_data_where_they_are_labels() -> None:
    changed = [*STARS[:1], (1, "b", 2, 1001), *STARS[2:]]
    explicit = {"kind": "explicit", "scale": (1, 5)}
    assert prepared(STARS).fingerprint == prepared(changed).fingerprint
    one, other = (prepared(rows, feedback=explicit).fingerprint for rows in (STARS, changed))
    assert one != other


def test_the_report_says_what_was_left_out_and_why() -> None:
    report = prepared(STARS, feedback={"threshold": 2}, filters={"max_users": 2}).report
    assert report.rows_read == 7
    assert report.dropped == {"repeated pair (kept the last)": 1, "rating below 2": 1}
    assert report.repeated_pairs == 1
    assert (report.train, report.validation, report.test) == (3, 1, 1)
