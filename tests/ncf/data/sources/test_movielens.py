import functools
import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ncf.data.sources import movielens
from ncf.data.sources.cache import cache_dir
from ncf.data.sources.config import MovieLensSource
from ncf.data.sources.load import load_ratings
from ncf.errors import DataError

RATINGS = b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t1\t5\t881250950\n"
FILMS = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|0\n"
    "242|Misérables, Les (1995)|01-Jan-1995||http://x|0|0\n"
    '302|"Quoted" (1997)|01-Jan-1997||http://x|0|0\n'
)
TITLES = {1: "Toy Story (1995)", 242: "Misérables, Les (1995)", 302: '"Quoted" (1997)'}
WHEEL_FILMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    '1\tToy Story\t1995\tComedy\n242\tMisérables, Les\t1995\tDrama\n302\t"Quoted"\t1997\tDrama\n303\t\t\t\n'
)


def grouplens_zip(ratings: bytes = RATINGS) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        files.writestr("ml-100k/u.data", ratings)
        files.writestr("ml-100k/u.item", FILMS.encode("latin-1"))
    return content.getvalue()


def wheel(ratings: bytes = RATINGS) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        folder = "recbole/dataset_example/ml-100k/ml-100k"
        header = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        files.writestr(f"{folder}.inter", header + ratings)
        files.writestr(f"{folder}.item", WHEEL_FILMS)
        about = "recbole-1.2.1.dist-info"
        files.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        files.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr(f"{about}/RECORD", "")
    return content.getvalue()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a word on stderr."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for the outside world: GroupLens is its `web`, the package index its `wheels`.

    Both are empty; whatever a test puts there is found there, over real HTTP and by the real pip, on this machine only.
    """
    for name in ("web", "wheels"):
        (tmp_path / name).mkdir()
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setattr(movielens, "ML_100K_URL", f"http://127.0.0.1:{server.server_address[1]}/ml-100k.zip")
        monkeypatch.setattr(movielens, "ML_100K_RATINGS_SHA256", hashlib.sha256(RATINGS).hexdigest())
        for variable in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(variable, "127.0.0.1")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        yield tmp_path
        server.shutdown()
        thread.join()


def offer_zip(places: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (places / "web" / "ml-100k.zip").write_bytes(content)
    monkeypatch.setattr(movielens, "ML_100K_ZIP_MD5", hashlib.md5(content, usedforsecurity=False).hexdigest())


def offer_wheel(places: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (places / "wheels" / "recbole-1.2.1-py3-none-any.whl").write_bytes(content)
    monkeypatch.setattr(movielens, "ML_100K_WHEEL_SHA256", hashlib.sha256(content).hexdigest())


def test_the_first_load_downloads_and_the_second_reads_the_cache(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_zip(places, monkeypatch, grouplens_zip())
    first = load_ratings(MovieLensSource(), places / "cache")
    assert first.frame["user_id"].tolist() == [196, 186, 196]
    assert first.frame["item_id"].tolist() == [242, 302, 1]
    assert first.frame["rating"].tolist() == [3.0, 3.0, 5.0]
    assert first.frame["timestamp"].tolist() == [881250949_000000, 891717742_000000, 881250950_000000]
    assert first.titles.to_dict() == TITLES
    (places / "web" / "ml-100k.zip").unlink()
    second = load_ratings(MovieLensSource(), places / "cache")
    assert second.frame.equals(first.frame)
    assert second.titles.to_dict() == TITLES


def test_the_package_index_gives_the_same_where_grouplens_does_not_answer(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(places, monkeypatch, wheel())
    ratings = load_ratings(MovieLensSource(), places / "cache")
    assert ratings.frame["item_id"].tolist() == [242, 302, 1]
    assert (places / "cache" / "ml-100k" / "u.data").read_bytes() == RATINGS
    assert {item: ratings.titles[item] for item in TITLES} == TITLES


def test_an_archive_that_is_not_the_published_one_is_not_used(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_zip(places, monkeypatch, grouplens_zip())
    (places / "web" / "ml-100k.zip").write_bytes(grouplens_zip(RATINGS + b"1\t1\t1\t1\n"))
    offer_wheel(places, monkeypatch, wheel())
    load_ratings(MovieLensSource(), places / "cache")
    assert (places / "cache" / "ml-100k" / "u.data").read_bytes() == RATINGS


def test_a_download_with_other_ratings_is_refused_and_not_kept(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_zip(places, monkeypatch, grouplens_zip(RATINGS + b"1\t1\t1\t1\n"))
    with pytest.raises(DataError, match=r"u\.data from GroupLens has a wrong SHA-256"):
        load_ratings(MovieLensSource(), places / "cache")
    assert not (places / "cache").exists()


def test_a_wheel_that_is_not_the_published_one_is_refused_and_not_kept(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(places, monkeypatch, wheel())
    monkeypatch.setattr(movielens, "ML_100K_WHEEL_SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"recbole-1\.2\.1-py3-none-any\.whl has a wrong SHA-256"):
        load_ratings(MovieLensSource(), places / "cache")
    assert not (places / "cache").exists()


def test_without_any_source_both_reasons_and_the_remedy_are_told(places: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_ratings(MovieLensSource(), places / "cache")
    message = str(caught.value)
    assert "MovieLens 100K could not be downloaded" in message
    assert "GroupLens: 404" in message
    assert "the package index: No matching distribution found for recbole==1.2.1" in message
    assert "what to do: connect to the internet" in message
    assert "NCF_CACHE_DIR" in message
    assert not (places / "cache").exists()


@pytest.mark.parametrize("error", [OSError("no route to host"), zipfile.BadZipFile("not a zip")])
def test_the_reason_of_every_source_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_scratch: Path) -> None:
        raise error

    monkeypatch.setattr(movielens, "_from_grouplens", fail)
    monkeypatch.setattr(movielens, "_from_package_index", fail)
    with pytest.raises(DataError) as caught:
        load_ratings(MovieLensSource(), tmp_path / "cache")
    assert f"GroupLens: {error}; the package index: {error}" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def cached(cache: Path, ratings: bytes, titles: bytes) -> None:
    (cache / "ml-100k").mkdir(parents=True)
    (cache / "ml-100k" / "u.data").write_bytes(ratings)
    (cache / "ml-100k" / "titles.tsv").write_bytes(titles)


GOOD_TITLES = b"item_id\ttitle\n1\tToy Story (1995)\n"


def test_a_cached_file_with_other_content_is_named(tmp_path: Path) -> None:
    cached(tmp_path, RATINGS, GOOD_TITLES)
    file = tmp_path / "ml-100k" / "u.data"
    with pytest.raises(DataError, match=rf"{file} has a wrong SHA-256: .*what to do: remove {tmp_path / 'ml-100k'}"):
        load_ratings(MovieLensSource(), tmp_path)


@pytest.mark.parametrize(
    "titles", [b"", b"item_id\ttitle\nx\tToy Story\n", b"item_i", b"item_id\ttitle\n1\t\xff\xfe\n"]
)
def test_damaged_cached_titles_are_refused(places: Path, titles: bytes) -> None:
    cached(places / "cache", RATINGS, titles)
    with pytest.raises(DataError, match=r"ml-100k is damaged: .*what to do: remove"):
        load_ratings(MovieLensSource(), places / "cache")


@pytest.mark.parametrize("name", ["u.data", "titles.tsv"])
def test_a_missing_cached_file_is_refused(places: Path, name: str) -> None:
    cached(places / "cache", RATINGS, GOOD_TITLES)
    (places / "cache" / "ml-100k" / name).unlink()
    with pytest.raises(DataError, match=r"ml-100k is damaged: .*what to do: remove"):
        load_ratings(MovieLensSource(), places / "cache")


def test_the_variable_moves_the_cache(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCF_CACHE_DIR", str(places / "elsewhere"))
    cached(places / "elsewhere", RATINGS, GOOD_TITLES)
    assert cache_dir() == places / "elsewhere"
    assert len(load_ratings(MovieLensSource()).frame) == 3


def test_the_cache_is_an_absolute_place_outside_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NCF_CACHE_DIR", "relative")
    assert cache_dir() == tmp_path / "relative"
    monkeypatch.setenv("NCF_CACHE_DIR", "~/somewhere")
    assert cache_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("NCF_CACHE_DIR")
    assert cache_dir().is_absolute()
    assert not cache_dir().is_relative_to(Path(__file__).parents[3])
