"""GroupLens and the package index on this machine: made-up archives as they publish them, and the files' readers."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ncf.data.ratings import Ratings
from ncf.ingest import movielens as package_index
from ncf.ingest.config import MovieLensName, MovieLensSource
from ncf.ingest.load import load_ratings
from ncf.ingest.releases import FLAGS, ITEMS, RATINGS, RELEASES, Release
from tests.ncf.ingest.web_server import Web

ROWS = [(196, 242, 3.0, 881250949), (186, 302, 3.5, 891717742), (196, 1, 5.0, 881250950)]
TITLES = {1: "Toy Story (1995)", 242: "Misérables, Les: a film (1995)", 302: '"Quoted" (1997)'}
WHEEL_FILMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    '1\tToy Story\t1995\tComedy\n242\tMisérables, Les: a film\t1995\tDrama\n302\t"Quoted"\t1997\tDrama\n303\t\t\t\n'
)


def ratings_text(release: Release) -> str:
    separator = {"u.data": "\t", "dat": "::", "csv": ","}[release.writing]
    header = "userId,movieId,rating,timestamp\n" if release.writing == "csv" else ""
    return header + "".join(f"{separator.join(map(str, row))}\n" for row in ROWS)


def items_text(release: Release) -> str:
    if release.writing == "csv":
        quoted = {item: '"' + title.replace('"', '""') + '"' for item, title in TITLES.items()}
        return "movieId,title,genres\n" + "".join(f"{item},{title},Drama|War\n" for item, title in quoted.items())
    flags = "|".join("1" if genre in ("Drama", "War") else "0" for genre in FLAGS)
    ends = {"u.data": f"|01-Jan-1995||http://x|{flags}\n", "dat": "::Drama|War\n"}
    separator = {"u.data": "|", "dat": "::"}[release.writing]
    return "".join(f"{item}{separator}{title}{ends[release.writing]}" for item, title in TITLES.items())


def archive(name: str) -> bytes:
    release = next(release for release in RELEASES.values() if release.name == name)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(f"{release.folder or release.name}/README", "not needed")
        files.writestr(release.member(RATINGS), ratings_text(release))
        files.writestr(release.member(ITEMS), items_text(release).encode(release.encoding))
    return content.getvalue()


def wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        folder = "recbole/dataset_example/ml-100k/ml-100k"
        header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        files.writestr(f"{folder}.inter", header + ratings_text(RELEASES["ml-100k"]))
        files.writestr(f"{folder}.item", WHEEL_FILMS)
        about = "recbole-1.2.1.dist-info"
        files.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        files.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr(f"{about}/RECORD", "")
    return content.getvalue()


def set_checksum(monkeypatch: pytest.MonkeyPatch, name: MovieLensName, content: bytes) -> None:
    """This content is the published archive."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(RELEASES, name, replace(RELEASES[name], size=len(content), md5=md5))


def publish(web: Web, monkeypatch: pytest.MonkeyPatch, name: MovieLensName) -> bytes:
    content = archive(name)
    web.files[f"/{name}.zip"] = content
    set_checksum(monkeypatch, name, content)
    return content


def publish_wheel(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = wheel()
    (places / "wheels" / "recbole-1.2.1-py3-none-any.whl").write_bytes(content)
    ratings = ratings_text(RELEASES["ml-100k"]).encode()
    monkeypatch.setattr(package_index, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(package_index, "RATINGS_SHA256", hashlib.sha256(ratings).hexdigest())


def load(places: Path, name: MovieLensName = "ml-100k") -> Ratings:
    return load_ratings(MovieLensSource(name=name), places / "cache")


def assert_ratings(ratings: Ratings) -> None:
    columns = ["user_id", "item_id", "rating", "timestamp"]
    expected = pd.DataFrame([(u, i, r, t * 1_000_000) for u, i, r, t in ROWS], columns=columns)
    pd.testing.assert_frame_equal(ratings.frame, expected)
    assert {item: ratings.titles[item] for item in TITLES} == TITLES
