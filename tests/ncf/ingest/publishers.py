"""GroupLens and the package index on this machine, with the made-up archives as what they publish."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ncf.data.ratings import Ratings
from ncf.ingest import movielens as package_index
from ncf.ingest.archives import RELEASES
from ncf.ingest.config import MovieLensName, MovieLensSource
from ncf.ingest.load import load_ratings
from tests.ncf.ingest.fake_movielens import ROWS, TITLES, archive, ratings_text, wheel
from tests.ncf.ingest.web_server import Web


def expect(monkeypatch: pytest.MonkeyPatch, name: MovieLensName, content: bytes) -> None:
    """This content is the published archive."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(RELEASES, name, replace(RELEASES[name], size=len(content), md5=md5))


def offer(web: Web, monkeypatch: pytest.MonkeyPatch, name: MovieLensName) -> bytes:
    content = archive(name)
    web.files[f"/{name}.zip"] = content
    expect(monkeypatch, name, content)
    return content


def offer_wheel(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = wheel()
    (places / "wheels" / "recbole-1.2.1-py3-none-any.whl").write_bytes(content)
    ratings = ratings_text(RELEASES["ml-100k"]).encode()
    monkeypatch.setattr(package_index, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(package_index, "RATINGS_SHA256", hashlib.sha256(ratings).hexdigest())


def load(places: Path, name: MovieLensName = "ml-100k") -> Ratings:
    return load_ratings(MovieLensSource(name=name), places / "cache")


def assert_right(ratings: Ratings) -> None:
    columns = ["user_id", "item_id", "rating", "timestamp"]
    expected = pd.DataFrame([(u, i, r, t * 1_000_000) for u, i, r, t in ROWS], columns=columns)
    pd.testing.assert_frame_equal(ratings.frame, expected)
    assert {item: ratings.titles[item] for item in TITLES} == TITLES
