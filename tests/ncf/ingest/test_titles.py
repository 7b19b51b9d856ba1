"""Titles from a file of their own."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.ncf.ingest.log_files import CSV, ROWS, load, rows


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("films.csv", 'movieId,title,genres\n1,"A, ""B""",x\n2,Cé,y\n3,,z\n1,again,x\n', {}),
        ("films.item", 'item_id:token\tmovie_title:token_seq\n1\tA, "B"\n2\tCé\n', {}),
        ("films.dat", '1::A, "B"::x\n2::Cé::y\n', {"titles_item": 0, "titles_title": "1"}),
        ("films.tsv", 'sku\tlabel\n1\t"A, ""B"""\n2\tCé\nx\tD\n', {"titles_item": "sku", "titles_title": "label"}),
    ],
)
def test_titles_from_a_file_of_their_own(tmp_path: Path, name: str, content: str, settings: dict[str, Any]) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    ratings = load(tmp_path / "log.csv", CSV, titles_path=str(tmp_path / name), **settings)
    assert ratings.titles.to_dict() == {1: 'A, "B"', 2: "Cé"}
    assert rows(ratings) == ROWS


def test_titles_take_the_type_of_the_logs_ids(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("sku,title\n1,A\n2,B\n")
    columns = {"item": "sku"}
    titles = str(tmp_path / "films.csv")
    text = load(tmp_path / "log.csv", "user_id,sku\n7,1\n8,x\n", columns=columns, titles_path=titles).titles
    assert text.to_dict() == {"1": "A", "2": "B"}
    number = load(tmp_path / "log.csv", "user_id,sku\n7,1\n8,2\n", columns=columns, titles_path=titles).titles
    assert number.to_dict() == {1: "A", 2: "B"}


def test_titles_from_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"item_id": ["1", "2", "x"], "title": ["A", None, "C"]}).to_parquet(tmp_path / "films.parquet")
    ratings = load(tmp_path / "log.csv", CSV, titles_path=str(tmp_path / "films.parquet"))
    assert ratings.titles.to_dict() == {1: "A"}
