from datetime import UTC, datetime

import numpy as np
import pytest

from ncf.data.config import SplitConfig
from ncf.data.splits import split_interactions
from ncf.errors import DataError
from tests.ncf.data.tiny_logs import as_text, by_split, tiny_log, with_labels

LOG = [
    ("ann", "a", 10),
    ("ann", "b", 100),  # the moment itself belongs to the validation
    ("ann", "c", 150),  # the second of ann's in this span
    ("ann", "d", 200),  # test
    ("ann", "e", 201),
    ("bob", "a", 99),
    ("bob", "b", 250),  # bob has no validation; b is not in train
    ("cyd", "a", 120),  # cyd has nothing in train
    ("cyd", "b", 220),
    ("dan", "a", 5),
    ("dan", "c", 20),
]


def config(validation_from: int, test_from: int) -> SplitConfig:
    moments = [datetime.fromtimestamp(seconds, UTC) for seconds in (validation_from, test_from)]
    return SplitConfig(kind="temporal", validation_from=moments[0], test_from=moments[1])


def test_eleven_rows_with_the_answer_by_hand() -> None:
    split = split_interactions(tiny_log(LOG), config(100, 200))
    assert by_split(split) == {
        "train": ["ann a", "bob a", "dan a", "dan c"],
        "validation": ["ann b"],
        "test": ["ann d", "bob b"],
        "other": ["ann c", "ann e", "cyd a", "cyd b"],
    }


def test_the_order_of_the_file_does_not_matter() -> None:
    assert by_split(split_interactions(tiny_log(LOG[::-1]), config(100, 200))) == by_split(
        split_interactions(tiny_log(LOG), config(100, 200))
    )


def test_what_was_left_out_or_let_in_is_noted() -> None:
    assert split_interactions(tiny_log(LOG), config(100, 200)).tally.notes == (
        "validation: 1 users have nothing in train and are not evaluated",
        "validation: 1 of 1 held-out items are not in train",
        "test: 1 users have nothing in train and are not evaluated",
        "test: 2 of 2 held-out items are not in train",
        "4 rows after validation_from are in no split; they are known, but not learned",
    )


def test_labels_follow_the_train_rows() -> None:
    split = split_interactions(with_labels(tiny_log(LOG)), config(100, 200))
    assert split.labels is not None
    assert split.labels.tolist() == pytest.approx([0.0, 0.05, 0.09, 0.10])
    assert split.labels.dtype == np.float32


def test_a_zone_is_heeded() -> None:
    moments = {"validation_from": "1970-01-01T01:01:40+01:00", "test_from": "1970-01-01T00:03:20Z"}
    split = split_interactions(tiny_log(LOG), SplitConfig.model_validate({"kind": "temporal", **moments}))
    assert as_text(split, split.validation) == ["ann b"]


@pytest.mark.parametrize(
    ("moments", "what"),
    [
        ((0, 5), "leaves nothing to train on"),
        ((102, 110), "nobody is in the validation holdout"),
        ((100, 900), "nobody is in the test holdout"),
    ],
)
def test_an_empty_part_is_refused_with_the_logs_span(moments: tuple[int, int], what: str) -> None:
    with pytest.raises(DataError, match=rf"{what}.*1970-01-01T00:00:05.*Z to 1970-01-01T00:04:10.*Z") as caught:
        split_interactions(tiny_log(LOG), config(*moments))
    assert f"{datetime.fromtimestamp(moments[0], UTC):%Y-%m-%dT%H:%M:%SZ}" in str(caught.value)
    assert "move validation_from and test_from" in str(caught.value)


def test_a_log_without_times_is_refused() -> None:
    with pytest.raises(DataError, match="needs the time of every interaction"):
        split_interactions(tiny_log(LOG, times=False), config(100, 200))
