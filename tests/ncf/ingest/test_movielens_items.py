"""Titles and genres of MovieLens."""

from pathlib import Path

import pandas as pd
import pytest

from ncf.ingest.config import MOVIELENS, MovieLensName
from ncf.ingest.movielens import load_items
from ncf.ingest.releases import genres_text
from tests.ncf.ingest.fake_movielens import TITLES, assert_ratings, load, publish, publish_wheel
from tests.ncf.ingest.web_server import Web


@pytest.mark.parametrize("name", MOVIELENS)
def test_the_items_have_titles_and_genres(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, name: MovieLensName
) -> None:
    publish(web, monkeypatch, name)
    items = load_items(name, places / "cache")
    assert {column: str(kind) for column, kind in items.dtypes.items()} == {
        "item_id": "int64",
        "title": "str",
        "genres": "str",
    }
    assert dict(zip(items["item_id"], items["title"], strict=True)) == TITLES
    assert items["genres"].tolist() == ["Drama|War"] * 3


def test_the_package_has_the_genres_too(places: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_wheel(places, monkeypatch)
    genres = load_items("ml-100k", places / "cache").set_index("item_id")["genres"]
    assert genres.to_dict() == {1: "Comedy", 242: "Drama", 302: "Drama", 303: ""}


def test_a_cache_from_before_there_were_genres_is_fetched_again(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(web, monkeypatch, "ml-1m")
    load(places, "ml-1m")
    file = places / "cache" / "movielens" / "ml-1m" / "titles.parquet"
    pd.read_parquet(file).drop(columns="genres").to_parquet(file)
    assert_ratings(load(places, "ml-1m"))  # which needs no genres, and no network
    assert len(web.requests) == 1
    assert load_items("ml-1m", places / "cache")["genres"].tolist() == ["Drama|War"] * 3
    assert len(web.requests) == 2
    load_items("ml-1m", places / "cache")
    assert len(web.requests) == 2


def test_no_genres_listed_is_none() -> None:
    listed = pd.Series([["(no genres listed)"], ["unknown"], [], ["IMAX", "Sci-Fi"]])
    assert genres_text(listed).tolist() == ["", "", "", "IMAX|Sci-Fi"]
