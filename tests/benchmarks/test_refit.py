"""What refitting brings: the two models learn what they should, and the table says what was planted."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.command import RESULTS
from benchmarks.refit import (
    DIFFERENCE,
    MODELS,
    REFITTED,
    TWIN,
    Row,
    as_markdown,
    as_table,
    paper_in_time,
    rows,
    score,
    train_both,
)
from ncf.backtest.scoring import HR, KNOWN, NDCG, POPULARITY, column
from ncf.config import GMFRecipe
from ncf.data import ITEM_ID, RATING, TEST, TIMESTAMP, TRAIN, USER_ID
from ncf.data.ratings import Ratings

USERS = 6
RECIPE = GMFRecipe.model_validate({"model": {"embedding_dim": 4}, "training": {"max_epochs": 3}})


@pytest.fixture(scope="module")
def log() -> Ratings:
    """User u has the items u to u + 4, in this order; the next one, u + 5, is the test's. The file is newest first."""
    train = [(user, user + age, 5, age) for user in range(USERS) for age in reversed(range(5))]
    test = [(user, user + 5, 5, 978_300_000) for user in range(USERS)]
    frame = pd.DataFrame([*train, *test], columns=[USER_ID, ITEM_ID, RATING, TIMESTAMP])
    splits = np.repeat(np.array([TRAIN, TEST], dtype=np.int8), [len(train), len(test)])
    return Ratings.from_frame(frame, time_unit="s", splits=splits)


def test_the_twin_is_without_each_users_two_newest_and_neither_learns_what_comes_next(log: Ratings) -> None:
    data, later = paper_in_time(log)
    users = np.arange(USERS)
    assert data.item_ids[data.validation.pairs.items].tolist() == (users + 3).tolist()
    assert data.item_ids[data.test.pairs.items].tolist() == (users + 4).tolist()
    assert data.user_counts.tolist() == [3] * USERS
    assert later.data.user_counts.tolist() == [5] * USERS
    assert later.new_pairs.users.tolist() == users.tolist()
    assert later.data.item_ids[later.new_pairs.items].tolist() == (users + 5).tolist()


def test_the_second_model_has_learned_everything_for_the_epochs_of_the_first(log: Ratings) -> None:
    data, later = paper_in_time(log)
    twin, again = train_both(data, RECIPE, "planted")
    assert twin.item_counts.sum() == 3 * USERS
    assert again.item_counts.sum() == 5 * USERS
    assert twin.about["epochs"] == again.about["epochs"] <= 3
    values = score(data, later, RECIPE, "planted")
    assert values[USER_ID].tolist() == list(range(USERS))
    assert {column(who, HR) for who in (POPULARITY, *MODELS)} <= set(values.columns)


def window(twin: list[float], again: list[float]) -> pd.DataFrame:
    """Users with these values, of both metrics; popularity never has a hit."""
    values = {POPULARITY: [0.0] * len(twin), TWIN: twin, REFITTED: again}
    columns = {column(who, metric): its for who, its in values.items() for metric in (HR, NDCG)}
    known = {column(who, KNOWN): [1.0] * len(twin) for who in values}
    return pd.DataFrame({USER_ID: range(len(twin)), **columns, **known})


def test_windows_count_the_same_and_empty_ones_not_at_all() -> None:
    found = rows("planted", [window([0, 0, 1, 1], [1, 0, 1, 1]), window([], []), window([0, 0], [1, 0])])
    assert [row.who for row in found] == [POPULARITY, TWIN, REFITTED, DIFFERENCE]
    assert [(row.windows, row.users) for row in found] == [(2, 6)] * 4
    assert [row.hr.value for row in found] == [0.0, 0.25, 0.625, 0.375]
    assert found[-1].ndcg.low < 0.375 < found[-1].ndcg.high
    assert "| planted, 2 weeks | 6 | trained again - judged twin | +0.3750 (" in as_table(found)


def test_the_page_has_the_committed_figures() -> None:
    found = [Row.of_json(row) for row in json.loads((RESULTS / "refit.json").read_text())]
    assert (RESULTS / "refit.md").read_text() == as_markdown(found)
