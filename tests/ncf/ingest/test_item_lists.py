"""Several items in one cell, such as a playlist: a row for each."""

from pathlib import Path

import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import ids, load, rows

PLAYLISTS = "user_id,item_id,timestamp\nu1,a b,1000000001\nu2,,1000000002\nu3,b,1000000003\n"


def test_each_item_of_a_cell_is_a_row_with_the_rest_of_its_line(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.csv", PLAYLISTS, item_separator=" ")
    assert ids(ratings) == (["u1", "u1", "u3"], ["a", "b", "b"])
    assert rows(ratings)["timestamp"] == [1000000001_000000, 1000000001_000000, 1000000003_000000]
    assert ratings.tally.rows_read == 3
    assert "3 items in 3 cells, divided by ' '; 1 cells have none" in ratings.tally.notes


def test_items_that_are_integers_are_integers(tmp_path: Path) -> None:
    ratings = load(tmp_path / "log.tsv", "user_id\titem_id\n7\t1|2||3\n8\t2\n", item_separator="|", separator="\t")
    assert ids(ratings) == ([7, 7, 7, 8], [1, 2, 3, 2])


def test_a_fault_after_a_list_has_its_own_line(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp\nu1,a b c,1000000001\nu2,a,1000000002\nu3,b c,-5\n"
    with pytest.raises(DataError, match=r"log.csv, line 4 has an unusable timestamp"):
        load(tmp_path / "log.csv", text, item_separator=" ")


def test_where_and_lists_go_together(tmp_path: Path) -> None:
    text = "user_id,item_id,event,timestamp\nu1,a b,view,5\nu2,c,skip,6\nu3,d a,view,7\n"
    ratings = load(tmp_path / "log.csv", text, item_separator=" ", where={"event": ["view"]})
    assert ids(ratings) == (["u1", "u1", "u3", "u3"], ["a", "b", "d", "a"])
    with pytest.raises(DataError, match="log.csv, line 4 has an unusable timestamp"):
        load(tmp_path / "log.csv", text.replace(",7", ",-7"), item_separator=" ", where={"event": ["view"]})


def test_a_log_of_empty_cells_has_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        load(tmp_path / "log.csv", "user_id,item_id\nu1,\nu2,\n", item_separator=" ")


def test_lists_of_text_in_json(tmp_path: Path) -> None:
    text = '{"user_id": "u1", "item_id": "a b"}\n{"user_id": "u2", "item_id": "c"}\n'
    assert ids(load(tmp_path / "log.jsonl", text, item_separator=" ")) == (["u1", "u1", "u2"], ["a", "b", "c"])
