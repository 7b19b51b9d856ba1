import hashlib
import logging
import socket
from pathlib import Path

import numpy as np
import pytest
import requests

from ncf.errors import DataError
from ncf.ingest.download import CHUNK_BYTES, download, partial, published_md5
from tests.ncf.ingest.web_server import Web

CONTENT = np.random.default_rng(0).bytes(1_000_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture
def url(web: Web) -> str:
    web.files["/a.zip"] = CONTENT
    return f"{web.url}/a.zip"


def ranges(web: Web) -> list[str | None]:
    return [range_header for _path, range_header in web.requests]


def test_a_file_comes_whole_and_alone(url: str, tmp_path: Path) -> None:
    download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_a_cut_connection_is_gone_on_with_where_it_broke(web: Web, url: str, tmp_path: Path) -> None:
    web.cuts = [4 * CHUNK_BYTES, 5 * CHUNK_BYTES + 7]
    download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert ranges(web) == [None, f"bytes={4 * CHUNK_BYTES}-", f"bytes={9 * CHUNK_BYTES}-"]


def test_what_an_earlier_run_left_is_gone_on_with(web: Web, url: str, tmp_path: Path) -> None:
    web.cuts = [4 * CHUNK_BYTES, 0]  # the second answer brings nothing: this run gives up
    with pytest.raises(requests.RequestException):
        download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip.part"]
    assert partial(tmp_path / "a.zip").read_bytes() == CONTENT[: 4 * CHUNK_BYTES]
    download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert ranges(web) == [None, *[f"bytes={4 * CHUNK_BYTES}-"] * 2]
    assert not partial(tmp_path / "a.zip").exists()


def test_a_server_without_ranges_starts_again(web: Web, url: str, tmp_path: Path) -> None:
    web.ranges = False
    partial(tmp_path / "a.zip").write_bytes(CONTENT[:400_000])
    download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_is_given_up(web: Web, url: str, tmp_path: Path) -> None:
    web.ranges, web.cuts = False, [100_000] * 10
    with pytest.raises(requests.RequestException):
        download(url, tmp_path / "a.zip", md5=MD5)
    assert len(web.requests) == 2


def test_a_part_that_is_whole_already_is_used(web: Web, url: str, tmp_path: Path) -> None:
    partial(tmp_path / "a.zip").write_bytes(CONTENT)
    download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert ranges(web) == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("left", [b"x" * 1_000, b"x" * 2_000_000], ids=["of another file", "longer than the file"])
def test_a_part_that_does_not_fit_is_fetched_anew(web: Web, url: str, tmp_path: Path, left: bytes) -> None:
    partial(tmp_path / "a.zip").write_bytes(left)
    download(url, tmp_path / "a.zip", size=len(CONTENT), md5=MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert ranges(web)[-1] is None


def test_another_content_is_refused_and_not_kept(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a\.zip\.part has a wrong MD5: '{MD5}'; allowed: {'0' * 32}"):
        download(url, tmp_path / "a.zip", md5="0" * 32)
    assert not list(tmp_path.iterdir())


def test_another_size_is_refused_and_not_kept(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wrong size in bytes: 1000000; allowed: 5"):
        download(url, tmp_path / "a.zip", size=5)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_the_place(url: str, tmp_path: Path) -> None:
    partial(tmp_path / "a.zip").symlink_to("/dev/full")  # a real device: every write fails for want of space
    with pytest.raises(DataError, match=r"a\.zip\.part can't be written: .*No space left.*make room in"):
        download(url, tmp_path / "a.zip", md5=MD5)
    assert not (tmp_path / "a.zip").exists()


def test_a_file_the_server_does_not_have(web: Web, tmp_path: Path) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        download(f"{web.url}/b.zip", tmp_path / "b.zip")
    assert not list(tmp_path.iterdir())


def test_what_came_outlives_a_server_that_refuses_to_go_on(web: Web, tmp_path: Path) -> None:
    partial(tmp_path / "a.zip").write_bytes(CONTENT[:400_000])
    with pytest.raises(requests.HTTPError, match="404"):
        download(f"{web.url}/a.zip", tmp_path / "a.zip", md5=MD5)
    assert partial(tmp_path / "a.zip").read_bytes() == CONTENT[:400_000]
    assert ranges(web) == ["bytes=400000-"]


def test_no_server_at_all_is_given_up_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/a.zip"
    with pytest.raises(requests.ConnectionError):
        download(address, tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_terminal_a_line_says_how_much_is_to_come(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    partial(tmp_path / "a.zip").write_bytes(CONTENT[:400_000])
    with caplog.at_level(logging.INFO):
        download(url, tmp_path / "a.zip", md5=MD5)
    assert f"Fetching {url}: 400,000 of 1,000,000 bytes are here" in caplog.text
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", [f"MD5 (a.zip) = {MD5}\n", f"{MD5.upper()}  a.zip\n"])
def test_the_published_md5_is_read_in_both_ways_of_writing(web: Web, text: str) -> None:
    web.files["/a.zip.md5"] = text.encode()
    assert published_md5(f"{web.url}/a.zip") == MD5


def test_there_may_be_no_published_md5(web: Web) -> None:
    web.files["/b.zip.md5"] = b"<html>not here</html>"
    assert published_md5(f"{web.url}/a.zip") is None
    assert published_md5(f"{web.url}/b.zip") is None
