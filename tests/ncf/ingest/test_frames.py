from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest

from ncf.errors import ConfigError, DataError
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings

PLAYS = pd.DataFrame(
    {
        "listener": ["anna", "ben", "anna"],
        "song": [17, 17, 4],
        "plays": [3, 1, 2],
        "at": ["2025-03-01T09:30:00Z", "2025-03-02T00:00:00Z", "2025-03-03T00:00:00Z"],
        "title": ["Low", "Low", None],
    }
)
COLUMNS = {"user": "listener", "item": "song", "rating": "plays", "timestamp": "at"}


def test_a_frame_is_a_log_with_its_own_names_and_titles() -> None:
    before = PLAYS.copy()
    ratings = load_ratings(PLAYS, columns=COLUMNS)
    assert ratings.frame["user_id"].tolist() == ["anna", "ben", "anna"]
    assert ratings.frame["item_id"].tolist() == [17, 17, 4]
    assert ratings.frame["rating"].tolist() == [3.0, 1.0, 2.0]
    assert ratings.frame["timestamp"].tolist()[1] == 1_740_873_600_000_000
    assert ratings.titles.to_dict() == {17: "Low"}
    pd.testing.assert_frame_equal(PLAYS, before)


def test_usual_names_are_found_and_said() -> None:
    frame = pd.DataFrame({"userId": [1, 2], "movieId": [5, 5], "mood": ["x", "y"]})
    ratings = load_ratings(frame)
    assert ratings.frame[["user_id", "item_id", "rating"]].to_numpy().tolist() == [[1, 5, 1.0], [2, 5, 1.0]]
    assert not ratings.has_times
    assert ratings.tally.notes == ("columns taken: userId as user_id, movieId as item_id",)


def test_columns_without_names_go_by_place() -> None:
    ids = [UUID(int=1), UUID(int=2)]
    frame = pd.DataFrame([[0, ids[0], "a"], [1, ids[1], "b"]])
    ratings = load_ratings(frame, columns={"user": 1, "item": 2})
    assert ratings.frame[["user_id", "item_id"]].to_numpy().tolist() == [[ids[0], "a"], [ids[1], "b"]]


def test_a_missing_column_and_an_unknown_setting_are_refused() -> None:
    with pytest.raises(DataError, match=r"the DataFrame has no column user_id; it has: \['listener', "):
        load_ratings(PLAYS)
    with pytest.raises(ConfigError, match="separator is refused: ','"):
        load_ratings(PLAYS, columns=COLUMNS, separator=",")


def test_a_path_with_settings_by_name_is_a_file(tmp_path: Path) -> None:
    PLAYS.to_csv(tmp_path / "plays.csv", index=False)
    ratings = load_ratings(tmp_path / "plays.csv", columns=COLUMNS)
    pd.testing.assert_frame_equal(ratings.frame, load_ratings(PLAYS, columns=COLUMNS).frame)
    with pytest.raises(ConfigError, match="colums is refused"):
        load_ratings(str(tmp_path / "plays.csv"), colums=COLUMNS)


def test_choices_by_name_are_those_of_the_settings() -> None:
    log = load_ratings(
        pd.DataFrame(
            [(u, i, u + i) for u in range(4) for i in range(4 + u)], columns=["user_id", "item_id", "timestamp"]
        )
    )
    everything = prepare_ratings(log, name="log")
    report = everything.report
    data = prepare_ratings(log, {"filters": {"min_per_user": 6}}, name="log")
    assert (everything.num_users, data.num_users) == (4, 2)
    assert report._repr_markdown_() == report.markdown()
    with pytest.raises(ConfigError, match=r"filters\.min_per_usr is refused: 6"):
        prepare_ratings(log, {"filters": {"min_per_usr": 6}}, name="log")
