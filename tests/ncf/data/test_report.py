import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncf.data.config import DataConfig
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.ratings import Ratings, Tally
from ncf.data.report import DataReport
from ncf.data.split import Pairs
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings
from tests.ncf.toy_data import holdout, pairs

SECOND = 1_000_000
TALLY = Tally(12, (("repeated pair", 2), ("before | 2025", 1)), 2, 0, 86_400 * SECOND + 1, ("split at random",))


def data() -> PreparedData:
    """Five users, six items. User 4 is only held out, item 5 too; user 3 is in train only; user 0 has every item."""
    return PreparedData(
        "known",
        np.arange(5),
        np.arange(6),
        train=pairs([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 1), (3, 2)]),
        validation=holdout([(0, 4), (1, 1)], [[-1, -1], [2, 3]]),
        test=holdout([(0, 5), (1, 2), (2, 5), (4, 3)], [[-1, -1], [3, 4], [0, 2], [0, 1]]),
        titles=np.full(6, "", dtype=object),
    )


def test_the_numbers_of_known_data() -> None:
    assert DataReport.of(data(), TALLY).model_dump() == {
        "rows_read": 12,
        "dropped": {"repeated pair": 2, "before | 2025": 1},
        "repeated_pairs": 2,
        "users": 5,
        "items": 6,
        "interactions": 13,
        "train": 7,
        "validation": 2,
        "test": 4,
        "density": 13 / 30,
        "first_time": datetime(1970, 1, 1, tzinfo=UTC),
        "last_time": datetime(1970, 1, 2, 0, 0, 0, 1, tzinfo=UTC),
        "cold_users": 1,
        "cold_items": 2,
        "users_evaluated": 4,
        "train_only_users": 1,
        "users_with_every_item": 1,
        "notes": [
            "split at random",
            "evaluated users with no unseen item to rank with theirs, which so comes first in the sampled protocol: 1",
        ],
    }


def test_observed_pairs_outside_the_splits_count_as_interactions_and_not_as_evaluated() -> None:
    more = replace(data(), other=Pairs(np.array([3]), np.array([0])))
    report = DataReport.of(more, TALLY)
    assert (report.interactions, report.train_only_users, report.users_evaluated) == (14, 1, 4)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("rows read", "12"),
        ("dropped: repeated pair", "2"),
        ("density", "43.3333%"),
        ("time span", "1970-01-01 00:00:00 to 1970-01-02 00:00:00 UTC"),
        ("users to validate, to test", "2, 4"),
        ("held-out items unknown to train", "2"),
        ("note", "split at random"),
    ],
)
def test_the_table_says_it_in_words(what: str, value: str) -> None:
    assert (what, value) in DataReport.of(data(), TALLY).rows()


def test_without_times_the_span_is_unknown() -> None:
    report = DataReport.of(data(), replace(TALLY, first_time=None, last_time=None))
    assert ("time span", "unknown") in report.rows()


def test_markdown_has_a_line_for_each_row_and_escapes_what_would_break_it() -> None:
    report = DataReport.of(data(), TALLY)
    lines = report.markdown().splitlines()
    assert len(lines) == 2 + len(report.rows())
    assert "| dropped: before \\| 2025 | 1 |" in lines


def test_the_report_comes_back_from_json() -> None:
    report = DataReport.of(data(), TALLY)
    assert DataReport.model_validate_json(report.model_dump_json()) == report
    assert json.loads(report.model_dump_json())["last_time"] == "1970-01-02T00:00:00.000001Z"


def test_every_row_read_is_kept_or_accounted_for() -> None:
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(generator.integers(0, 30, size=(500, 2)), columns=["user_id", "item_id"])
    frame["timestamp"] = generator.integers(1, 400, size=500)
    config = DataConfig.model_validate({"filters": {"min_per_user": 8, "min_per_item": 8}, "num_candidates": 5})
    prepared = prepare_ratings(Ratings.from_frame(frame), config, name="log")
    report = prepared.report
    pairs_of = {(user, item) for user, item in zip(frame["user_id"], frame["item_id"], strict=True)}
    assert report.repeated_pairs == 500 - len(pairs_of)
    assert report.rows_read - sum(report.dropped.values()) == report.interactions
    assert report.interactions == report.train + report.validation + report.test == len(prepared.everything)


@pytest.mark.parametrize(("item", "noted"), [(1, False), ("1", True)])
def test_titles_that_fit_no_item_are_noted(item: object, noted: bool) -> None:
    pairs_of = [(user, item) for user in range(3) for item in range(5) if user != item]
    frame = pd.DataFrame(pairs_of, columns=["user_id", "item_id"]).assign(timestamp=range(1, len(pairs_of) + 1))
    ratings = Ratings.from_frame(frame, pd.Series(["Alien"], index=pd.Index([item])))
    data = prepare_ratings(ratings, DataConfig(num_candidates=1), name="log")
    report = data.report
    assert any("none of the 1 titles is of an item of the log" in note for note in report.notes) == noted
    assert any("The nearest ids of the log are 1 for '1'" in note for note in report.notes) == noted


@pytest.mark.parametrize(
    ("ids", "note"),
    [
        (["1", "2", "3"], None),
        (
            ["01", "02", "03"],
            "none of the 3 titles is of an item of the log: are the ids the same? The nearest ids of",
        ),
        (["1", "20", "30"], "only 1 of the 3 titles is of an item of the log"),
    ],
)
def test_a_file_of_titles_whose_ids_are_not_the_logs_is_noted(tmp_path: Path, ids: list[str], note: str | None) -> None:
    pairs_of = [(user, item) for user in range(4) for item in range(1, 5) if user != item]
    pd.DataFrame(pairs_of, columns=["user_id", "item_id"]).to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "titles.csv").write_text("item_id,title\n" + "".join(f"{item},Alien\n" for item in ids))
    ratings = load_ratings(str(tmp_path / "log.csv"), titles_path=str(tmp_path / "titles.csv"))
    notes = prepare_ratings(ratings, DataConfig(num_candidates=1), name="log").report.notes
    told = [each for each in notes if "titles" in each]
    assert told == [] if note is None else [each[: len(note)] for each in told] == [note]


def test_a_holdout_without_rows_is_no_matter() -> None:
    empty = Holdout(pairs([]), np.empty((0, 2), dtype=np.int64))
    report = DataReport.of(replace(data(), validation=empty), TALLY)
    assert (report.validation, report.users_evaluated) == (0, 4)
