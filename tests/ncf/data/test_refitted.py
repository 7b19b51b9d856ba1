"""Everything to learn from, in one split: pairs and labels checked against literal logs."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ncf.config import GMFConfig
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.data.storage import load_prepared, save_prepared
from ncf.errors import DataError
from ncf.models.build import build_model
from ncf.prepare import prepare_ratings
from ncf.serving.bundle import Bundle
from ncf.serving.log import ServingLog
from tests.ncf.toy_data import literal_data, pair_rows

LOG = [  # user, item, rating, second: every rating of ann's is another
    ("ann", "c", 3, 30),
    ("bob", "a", 1, 12),
    ("ann", "a", 5, 10),
    ("cyd", "b", 3, 205),
    ("ann", "e", 1, 210),
    ("bob", "d", 5, 220),
    ("ann", "b", 4, 20),
    ("bob", "c", 2, 130),
    ("ann", "d", 2, 140),
    ("dan", "e", 4, 15),
]
EXPLICIT = {"feedback": {"kind": "explicit", "scale": (0, 5)}}
TEMPORAL = {
    "split": {"kind": "temporal", "validation_from": "1970-01-01T00:00:25Z", "test_from": "1970-01-01T00:03:20Z"}
}


def prepared(**settings: Any) -> PreparedData:
    frame = pd.DataFrame(LOG, columns=["user_id", "item_id", "rating", "timestamp"]).astype({"rating": float})
    return prepare_ratings(Ratings.from_frame(frame, time_unit="s"), {"num_candidates": 2, **settings})


def learned(data: PreparedData) -> list[str]:
    """Such as "ann a 5", in the order of train; without labels "ann a"."""
    named = [f"{data.user_ids[user]} {data.item_ids[item]}" for user, item in pair_rows(data.train)]
    if data.labels is None:
        return named
    return [f"{name} {label * 5:g}" for name, label in zip(named, data.labels.astype(float).round(6), strict=True)]


def held_out(data: PreparedData) -> list[float] | None:
    return None if data.held_out_labels is None else (data.held_out_labels.astype(float) * 5).round(6).tolist()


EVERYTHING = ["ann a 5", "ann b 4", "ann c 3", "ann d 2", "ann e 1"]
EVERYTHING += ["bob a 1", "bob c 2", "bob d 5", "cyd b 3", "dan e 4"]


def test_leave_one_out_with_labels() -> None:
    data = prepared(**EXPLICIT)
    assert learned(data) == ["ann a 5", "ann b 4", "ann c 3", "bob a 1", "cyd b 3", "dan e 4"]
    assert held_out(data) == [2, 2, 1, 5], "validation of ann and bob, then test"
    refitted = data.refitted()
    assert learned(refitted) == [row for row in EVERYTHING if row not in ("ann e 1", "bob d 5")]
    assert held_out(refitted) == [1, 5]
    assert (len(refitted.validation), len(refitted.test)) == (0, 2)
    everything = data.refitted(test=True)
    assert learned(everything) == EVERYTHING
    assert held_out(everything) == []
    assert (len(everything.validation), len(everything.test)) == (0, 0)
    assert everything.fingerprint == refitted.refitted(test=True).fingerprint


def test_leave_one_out_without_labels() -> None:
    everything = prepared().refitted(test=True)
    assert learned(everything) == [row[:5] for row in EVERYTHING]
    assert everything.labels is everything.held_out_labels is None
    assert (len(everything.validation), len(everything.test)) == (0, 0)


def test_a_temporal_split_with_what_is_in_no_split() -> None:
    data = prepared(**EXPLICIT, **TEMPORAL)
    assert learned(data) == ["ann a 5", "ann b 4", "bob a 1", "dan e 4"]
    assert held_out(data) == [3, 2, 1, 5, 2, 3], "validation: ann c, bob c; test: ann e, bob d; other: ann d, cyd b"
    assert learned(data.refitted()) == ["ann a 5", "ann b 4", "ann c 3", "bob a 1", "bob c 2", "dan e 4"]
    assert held_out(data.refitted()) == [1, 5, 2, 3]
    assert pair_rows(data.refitted().other) == pair_rows(data.other)
    everything = data.refitted(test=True)
    assert sorted(learned(everything)) == EVERYTHING
    assert [name[:3] for name in learned(everything)] == [name[:3] for name in EVERYTHING], "sorted by user"
    assert len(everything.other) == 0
    assert everything.user_counts.tolist() == [5, 3, 1, 1]


@pytest.mark.parametrize("settings", [{}, EXPLICIT, TEMPORAL, EXPLICIT | TEMPORAL], ids=str)
def test_the_log_that_serves_is_the_same_and_every_user_is_learned(settings: dict[str, Any]) -> None:
    data = prepared(**settings)
    everything = data.refitted(test=True)
    assert sorted(pair_rows(everything.everything)) == sorted(pair_rows(everything.train))
    assert sorted(pair_rows(everything.train)) == sorted(pair_rows(data.everything))
    assert ServingLog.of(everything).fingerprint == ServingLog.of(data).fingerprint
    config = GMFConfig(embedding_dim=2)
    bundle = Bundle.of(build_model(config, 4, 5, seed=0), config, everything)
    assert bundle.learned.all()
    assert bundle.item_counts.tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("times", [True, False])
def test_labels_stay_with_their_pairs_in_a_random_split(times: bool) -> None:
    frame = pd.DataFrame(LOG, columns=["user_id", "item_id", "rating", "timestamp"]).astype({"rating": float})
    log = Ratings.from_frame(frame if times else frame.drop(columns="timestamp"))
    for seed in range(3):
        data = prepare_ratings(log, {"num_candidates": 2, "split": {"kind": "random", "seed": seed}} | EXPLICIT)
        assert len(data.test) == len(data.validation) == 2
        assert sorted(learned(data.refitted(test=True))) == EVERYTHING


def test_data_without_holdouts_are_left_as_they_are() -> None:
    everything = literal_data().refitted(test=True)
    assert everything.refitted(test=True).fingerprint == everything.fingerprint


def test_labels_of_what_is_held_out_come_back_and_are_part_of_the_fingerprint(tmp_path: Any) -> None:
    data, folder = prepared(**EXPLICIT, **TEMPORAL), tmp_path / "data"
    save_prepared(data, folder)
    found = load_prepared(folder)
    assert found.held_out_labels is not None
    assert found.held_out_labels.dtype == np.float32
    assert held_out(found) == held_out(data)
    assert learned(found.refitted(test=True)) == learned(data.refitted(test=True))
    pd.DataFrame({"label": found.held_out_labels[::-1]}).to_parquet(folder / "held_out_labels.parquet")
    with pytest.raises(DataError, match="was changed after it was written"):
        load_prepared(folder)
    (folder / "held_out_labels.parquet").unlink()
    with pytest.raises(DataError, match="was changed after it was written"):
        load_prepared(folder)
