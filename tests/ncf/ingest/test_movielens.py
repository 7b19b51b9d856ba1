import logging
import os
from pathlib import Path

import pytest

from ncf.errors import DataError
from ncf.files import cache_dir
from ncf.ingest import movielens as package_index
from ncf.ingest.config import MOVIELENS, MovieLensName, MovieLensSource
from ncf.ingest.download import CHUNK_BYTES
from ncf.ingest.load import load_ratings
from ncf.ingest.releases import RELEASES
from tests.e2e.processes import REPOSITORY
from tests.ncf.ingest.fake_movielens import archive, assert_ratings, load, publish, publish_wheel, set_checksum
from tests.ncf.ingest.web_server import Web


def files(folder: Path) -> list[str]:
    """What is left to see of a cache, without the locks."""
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(str(file) for file in found if file.suffix != ".lock")


def test_every_name_of_the_settings_has_a_release() -> None:
    assert set(RELEASES) == set(MOVIELENS)
    assert all(name == release.name for name, release in RELEASES.items())


@pytest.mark.parametrize("name", MOVIELENS)
def test_the_first_load_downloads_and_the_second_reads_the_cache(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, name: MovieLensName
) -> None:
    publish(web, monkeypatch, name)
    assert_ratings(load(places, name))
    assert files(places / "cache" / "movielens") == [f"{name}/ratings.parquet", f"{name}/titles.parquet"]
    web.files.clear()
    assert_ratings(load(places, name))
    assert web.requests == [(f"/{name}.zip", None)]


def test_a_cut_download_goes_on_in_the_next_run(places: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    content = publish(web, monkeypatch, "ml-25m") + os.urandom(3 * CHUNK_BYTES)  # a zip may have something before it
    content = content[-3 * CHUNK_BYTES :] + content[: -3 * CHUNK_BYTES]
    web.files["/ml-25m.zip"] = content
    set_checksum(monkeypatch, "ml-25m", content)
    web.cuts = [2 * CHUNK_BYTES, 0]
    with pytest.raises(DataError, match=r"MovieLens 25M could not be downloaded"):
        load(places, "ml-25m")
    assert files(places / "cache") == ["movielens/ml-25m.zip.part"]
    assert_ratings(load(places, "ml-25m"))
    assert web.requests[-1] == ("/ml-25m.zip", f"bytes={2 * CHUNK_BYTES}-")
    assert files(places / "cache" / "movielens") == ["ml-25m/ratings.parquet", "ml-25m/titles.parquet"]


def test_a_wrong_archive_is_refused_and_not_kept(places: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(web, monkeypatch, "ml-1m")
    web.files["/ml-1m.zip"] = bytes(len(web.files["/ml-1m.zip"]))
    with pytest.raises(DataError, match=r"MovieLens 1M could not be downloaded: .*ml-1m\.zip\.part has a wrong MD5"):
        load(places, "ml-1m")
    assert files(places / "cache") == []


def test_the_published_md5_is_asked_for_where_none_is_known(places: Path, web: Web) -> None:
    web.files["/ml-latest-small.zip"] = archive("ml-latest-small")
    web.files["/ml-latest-small.zip.md5"] = f"MD5 (ml-latest-small.zip) = {'0' * 32}\n".encode()
    with pytest.raises(DataError, match=r"wrong MD5.*0{32}"):
        load(places, "ml-latest-small")
    del web.files["/ml-latest-small.zip.md5"]
    assert_ratings(load(places, "ml-latest-small"))


@pytest.mark.parametrize("name", MOVIELENS)
def test_offline_the_address_and_the_place_for_a_file_by_hand_are_told_and_it_is_used(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, name: MovieLensName
) -> None:
    content = archive(name)
    if name != "ml-latest-small":
        set_checksum(monkeypatch, name, content)
    place = places / "cache" / "movielens" / f"{name}.zip"
    with pytest.raises(DataError, match="could not be downloaded: .*GroupLens: 404") as caught:
        load(places, name)
    assert f"fetch {web.url}/{name}.zip elsewhere and put it at {place}, where it is checked and used" in str(
        caught.value
    )
    assert "NCF_CACHE_DIR" in str(caught.value)
    place.write_bytes(content)
    web.requests.clear()
    assert_ratings(load(places, name))
    assert web.requests == []
    assert place.read_bytes() == content  # it is the user's own


def test_a_wrong_file_by_hand_is_named_and_left_alone(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_checksum(monkeypatch, "ml-20m", archive("ml-20m"))
    place = places / "cache" / "movielens" / "ml-20m.zip"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x")
    with pytest.raises(DataError, match=rf"{place} has a wrong size in bytes: 1"):
        load(places, "ml-20m")
    assert files(places / "cache") == ["movielens/ml-20m.zip"]


@pytest.mark.parametrize("content", [b"", b"no zip", archive("ml-1m"), archive("ml-latest-small")[:-30]])
def test_an_unreadable_archive_by_hand_is_refused(places: Path, content: bytes) -> None:
    place = places / "cache" / "movielens" / "ml-latest-small.zip"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    with pytest.raises(DataError, match=rf"{place} is not a readable archive of .*remove {place}"):
        load(places, "ml-latest-small")
    assert files(places / "cache") == ["movielens/ml-latest-small.zip"]


@pytest.mark.parametrize("bad", ["1,2,x,4\n", "1,2,3\n", "1,2,3,4,5\n", "a,2,3,4\n", ",2,3,4\n"])
def test_ratings_that_are_not_as_expected_are_refused(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    monkeypatch.setattr("tests.ncf.ingest.fake_movielens.ratings_text", lambda _release: f"u,i,r,t\n1,2,3,4\n{bad}")
    publish(web, monkeypatch, "ml-32m")
    with pytest.raises(DataError, match=r"ml-32m\.zip is not a readable archive of MovieLens 32M"):
        load(places, "ml-32m")
    assert not (places / "cache" / "movielens" / "ml-32m").exists()


def test_the_licence_is_said_with_the_address_of_the_terms(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(web, monkeypatch, "ml-10m")
    with caplog.at_level(logging.INFO):
        load(places, "ml-10m")
    assert "no redistribution and no commercial use without permission" in caplog.text
    assert f"Terms: {web.url}/ml-10m-README.html" in caplog.text


@pytest.mark.parametrize("at_grouplens", ["nothing", "another file"])
def test_the_package_index_gives_the_same_where_grouplens_does_not(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, at_grouplens: str
) -> None:
    if at_grouplens == "another file":
        web.files["/ml-100k.zip"] = b"x"
    publish_wheel(places, monkeypatch)
    assert_ratings(load(places))
    assert files(places / "cache" / "movielens") == ["ml-100k/ratings.parquet", "ml-100k/titles.parquet"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("WHEEL_SHA256", r"recbole-1\.2\.1-py3-none-any\.whl has a wrong SHA-256"),
        ("RATINGS_SHA256", r"the ratings in recbole-1\.2\.1-py3-none-any\.whl has a wrong SHA-256"),
    ],
)
def test_a_package_that_is_not_the_published_one_is_refused_and_not_kept(
    places: Path, monkeypatch: pytest.MonkeyPatch, changed: str, message: str
) -> None:
    publish_wheel(places, monkeypatch)
    monkeypatch.setattr(package_index, changed, "0" * 64)
    with pytest.raises(DataError, match=message):
        load(places)
    assert files(places / "cache") == []


def test_without_any_source_both_reasons_and_the_remedy_are_told(places: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(places)
    message = str(caught.value)
    assert "MovieLens 100K could not be downloaded" in message
    assert "GroupLens: 404" in message
    assert "the package index: No matching distribution found for recbole==1.2.1" in message
    assert "what to do: connect to the internet" in message
    assert files(places / "cache") == []


@pytest.mark.parametrize("name", ["ratings.parquet", "titles.parquet"])
def test_a_damaged_cached_file_is_refused(places: Path, web: Web, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    publish(web, monkeypatch, "ml-100k")
    load(places)
    (places / "cache" / "movielens" / "ml-100k" / name).write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(DataError, match=r"movielens/ml-100k is damaged: .*what to do: remove"):
        load(places)


def test_a_changed_byte_in_the_cached_ratings_is_noticed(
    places: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(web, monkeypatch, "ml-100k")
    load(places)
    file = places / "cache" / "movielens" / "ml-100k" / "ratings.parquet"
    content = bytearray(file.read_bytes())
    content[60] ^= 1  # in the first page: the header of the file has 4 bytes, that of a page some 30
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"movielens/ml-100k is damaged"):
        load(places)


def test_missing_cached_titles_are_refused(places: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(web, monkeypatch, "ml-100k")
    load(places)
    (places / "cache" / "movielens" / "ml-100k" / "titles.parquet").unlink()
    with pytest.raises(DataError, match=r"movielens/ml-100k is damaged: .*what to do: remove"):
        load(places)


def test_the_variable_moves_the_cache(places: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(web, monkeypatch, "ml-100k")
    monkeypatch.setenv("NCF_CACHE_DIR", str(places / "elsewhere"))
    assert cache_dir() == places / "elsewhere"
    assert_ratings(load_ratings(MovieLensSource()))
    assert (places / "elsewhere" / "movielens" / "ml-100k").is_dir()


def test_the_cache_is_an_absolute_place_outside_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NCF_CACHE_DIR", "relative")
    assert cache_dir() == tmp_path / "relative"
    monkeypatch.setenv("NCF_CACHE_DIR", "~/somewhere")
    assert cache_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("NCF_CACHE_DIR")
    assert cache_dir().is_absolute()
    assert not cache_dir().is_relative_to(REPOSITORY)
