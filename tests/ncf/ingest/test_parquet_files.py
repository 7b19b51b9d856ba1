"""Parquet keeps the types that it has."""

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ncf.data.interactions import to_interactions
from tests.ncf.ingest.log_files import ids, load


def test_parquet_ids_and_times_of_many_types(tmp_path: Path) -> None:
    users = [uuid.UUID(int=1), uuid.UUID(int=2)]
    path = tmp_path / "log.parquet"
    times = pa.array([1_000, 2_000], pa.timestamp("ms", "UTC"))
    for ids_, expected in (
        (pa.array([1, 2], pa.int8()), [1, 2]),
        (pa.array([1, 2], pa.uint32()), [1, 2]),
        (pa.array(["007", "8"]), ["007", "8"]),
        (pa.array(["7", "8"]), ["7", "8"]),
        (pa.array(["b", "a"]).dictionary_encode(), ["b", "a"]),
        (pa.array(["b", "a"], pa.large_string()), ["b", "a"]),
        (pa.array([1.0, 2.0]), [1, 2]),
        (pa.array([user.bytes for user in users], pa.uuid()), users),
    ):
        pq.write_table(pa.table({"user_id": ids_, "item_id": [1, 2], "timestamp": times}), path)
        ratings = load(path)
        assert ids(ratings) == (expected, [1, 2])
        assert ratings.has_times


def test_uuids_of_parquet_stay_uuids_and_find_their_titles(tmp_path: Path) -> None:
    items = [uuid.UUID(int=5), uuid.UUID(int=4), uuid.UUID(int=5)]
    table = pa.table({"user_id": [1, 2, 2], "item_id": pa.array([item.bytes for item in items], pa.uuid())})
    pq.write_table(table, tmp_path / "log.parquet")
    (tmp_path / "titles.csv").write_text(f"item_id,title\n{items[0]},Alien\nnobody,Nothing\n")
    ratings = load(tmp_path / "log.parquet", titles_path=str(tmp_path / "titles.csv"))
    assert ids(ratings) == ([1, 2, 2], items)
    assert ratings.titles.to_dict() == {items[0]: "Alien"}
    assert to_interactions(ratings).item_ids.tolist() == [items[1], items[0]]
