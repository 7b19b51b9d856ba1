from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ncf.data import TEST, TRAIN, VALIDATION
from ncf.data.config import SplitConfig
from ncf.data.interactions import Interactions, to_interactions
from ncf.data.ratings import Ratings
from ncf.data.splits import split_interactions
from ncf.errors import DataError
from ncf.prepare import prepare_split
from tests.ncf.data.tiny_logs import by_split, tiny_log, with_labels

LOG = [
    ("ann", "a", 30),  # train, ann's newest there
    ("ann", "b", 10),  # train
    ("ann", "c", 20),  # validation
    ("ann", "d", 5),  # test, though it is the oldest
    ("bob", "a", 1),  # train
    ("bob", "b", 2),  # validation
    ("cyd", "a", 1),  # train; no more of cyd
]
PARTS = [TRAIN, TRAIN, VALIDATION, TEST, TRAIN, VALIDATION, TRAIN]


def test_the_splits_are_kept() -> None:
    split = split_interactions(tiny_log(LOG, PARTS), SplitConfig())
    assert by_split(split) == {
        "train": ["ann b", "ann a", "bob a", "cyd a"],
        "validation": ["ann c", "bob b"],
        "test": ["ann d"],
        "other": [],
    }
    assert split.tally.notes == ()


def test_another_split_that_was_asked_for_is_not_made_and_that_is_noted() -> None:
    split = split_interactions(tiny_log(LOG, PARTS), SplitConfig(kind="random"))
    assert by_split(split) == by_split(split_interactions(tiny_log(LOG, PARTS), SplitConfig()))
    assert split.tally.notes == ("the log brings its own split, which is kept; no random one is made",)


def test_without_validation_the_newest_of_train_that_leaves_one() -> None:
    rows = [row for row, part in zip(LOG, PARTS, strict=True) if part != VALIDATION]
    split = split_interactions(tiny_log(rows, [TRAIN, TRAIN, TEST, TRAIN, TRAIN]), SplitConfig())
    assert by_split(split) == {
        "train": ["ann b", "bob a", "cyd a"],
        "validation": ["ann a"],
        "test": ["ann d"],
        "other": [],
    }
    note = "the log's split has no validation: it is each user's newest interaction of train"
    assert split.tally.notes == (note,)


def test_without_validation_and_times_it_is_a_random_one_of_train() -> None:
    users, each = 400, 8
    rows = [(f"u{user}", f"i{item}", 0) for user in range(users) for item in range(each + 1)]
    parts = [TRAIN if item < each else TEST for _ in range(users) for item in range(each + 1)]
    split = split_interactions(tiny_log([*rows, ("one", "i0", 0)], [*parts, TRAIN], times=False), SplitConfig())
    held_out = by_split(split)["validation"]
    assert len(held_out) == len({row.split()[0] for row in held_out}) == users, "who has one row keeps it"
    items = [int(row.split()[1].removeprefix("i")) for row in held_out]
    assert np.bincount(items, minlength=each) == pytest.approx(np.full(each, users / each), abs=25), "any is as likely"
    assert split.tally.notes == (
        "the log's split has no validation: it is any one of each user's train interactions, drawn with seed 0",
    )

    backwards = split_interactions(tiny_log(rows[::-1], parts[::-1], times=False), SplitConfig())
    assert sorted(by_split(backwards)["validation"]) == sorted(held_out), "whatever the order of the rows"
    other = split_interactions(tiny_log(rows, parts, times=False), SplitConfig(seed=1))
    assert sorted(by_split(other)["validation"]) != sorted(held_out)


def test_of_several_rows_of_a_user_in_a_holdout_one_counts() -> None:
    rows = [("ann", "a", 1), ("ann", "b", 9), ("ann", "c", 7), ("ann", "d", 8), ("ann", "e", 4), ("ann", "f", 3)]
    given = [TRAIN, TEST, TEST, TEST, VALIDATION, VALIDATION]
    split = split_interactions(tiny_log(rows, given), SplitConfig())
    assert by_split(split) == {
        "train": ["ann a"],
        "validation": ["ann f"],
        "test": ["ann c"],
        "other": ["ann e", "ann d", "ann b"],
    }
    assert split.tally.notes == (
        "test: of several rows of a user the oldest counts; 2 others are not evaluated",
        "validation: of several rows of a user the oldest counts; 1 others are not evaluated",
    )
    untimed = split_interactions(tiny_log(rows, given, times=False), SplitConfig())
    assert by_split(untimed)["test"] == ["ann b"]  # the first in the file


def test_labels_follow_the_train_rows() -> None:
    split = split_interactions(with_labels(tiny_log(LOG, PARTS)), SplitConfig())
    assert split.labels is not None
    assert split.labels.tolist() == pytest.approx([0.01, 0.03, 0.04, 0.06])  # in the order of user and time


@pytest.mark.parametrize(("part", "name"), [(TEST, "test"), (VALIDATION, "validation")])
def test_a_held_out_user_unknown_to_train_is_refused_by_name(part: int, name: str) -> None:
    with pytest.raises(DataError, match=rf"a user of the {name} split has nothing in train: 'zoe'"):
        split_interactions(tiny_log([*LOG, ("zoe", "a", 1)], [*PARTS, part]), SplitConfig())


@pytest.mark.parametrize("missing", [TRAIN, TEST])
def test_an_empty_train_or_test_is_refused(missing: int) -> None:
    kept = [(row, part) for row, part in zip(LOG, PARTS, strict=True) if part != missing]
    rows, given = zip(*kept, strict=True)
    with pytest.raises(DataError, match=rf"has no {'train' if missing == TRAIN else 'test'} row left"):
        split_interactions(tiny_log(rows, given), SplitConfig())


def with_candidates(offered: list[tuple[int, int]]) -> Interactions:
    """Users 1 and 2 with items 10 and 20 in train, 30 and 40 held out."""
    rows = [(1, 10, 1), (2, 20, 1), (1, 20, 0), (2, 10, 0), (1, 30, 2), (2, 40, 2)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    given = np.array([TRAIN, TRAIN, TRAIN, TRAIN, TEST, TEST], dtype=np.int8)
    candidates = pd.DataFrame(offered, columns=["user_id", "item_id"])
    return to_interactions(Ratings.from_frame(frame, time_unit="s", splits=given, candidates=candidates))


def test_the_candidates_that_came_with_the_log_are_used_in_their_order() -> None:
    given = with_candidates([(2, 50), (1, 60), (2, 30), (1, 30), (1, 50), (2, 60), (7, 99)])
    assert given.item_ids.tolist() == [10, 20, 30, 40, 50, 60]  # user 7 is nobody, so that 99 is no item
    split = split_interactions(given, SplitConfig())
    assert split.candidates is not None
    assert split.candidates.tolist() == [[5, 4, -1], [4, 2, 5]]  # without user 1's own 30
    assert split.tally.notes[-1] == (
        "test: 1 users have their held-out item among their candidates; it is left out there"
    )
    data = prepare_split("x", split, num_candidates=2)
    assert data.test.candidates.tolist() == [[5, 4, -1], [4, 2, 5]]
    assert data.validation.candidates.shape == (2, 2)  # drawn
    for user, row in enumerate(data.validation.candidates.tolist()):
        assert not set(row) & {0, 1, (2, 3)[user]}


def test_a_test_user_without_candidates_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="a user of the test split has no candidates: 2"):
        split_interactions(with_candidates([(1, 50)]), SplitConfig())


def test_splits_and_candidates_survive_a_change_of_the_rows_order() -> None:
    given = with_candidates([(2, 50), (1, 60)])
    assert given.splits is not None
    assert given.splits.tolist() == [TRAIN, TRAIN, TEST, TRAIN, TRAIN, TEST]  # sorted by user and time
    assert replace(given, splits=None).candidates is not None
