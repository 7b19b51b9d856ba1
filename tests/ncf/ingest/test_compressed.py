"""Compressed files are read as what they are, whatever they are called."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from tests.ncf.ingest.log_files import CSV, ROWS, Case, assert_refused, load, rows, table


def archive(**files: str | bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "/").replace("_csv", ".csv"), text)
    return content.getvalue()


LOG = CSV.encode()
PACKED: dict[str, bytes] = {
    ".gz": pa.compress(LOG, "gzip", asbytes=True),
    ".gzip": gzip.compress(LOG[:40]) + gzip.compress(LOG[40:]),
    ".zst": pa.compress(LOG, "zstd", asbytes=True),
    ".bz2": bz2.compress(LOG),
    ".xz": lzma.compress(LOG),
    ".lz4": pa.compress(LOG, "lz4", asbytes=True),
    ".zip": archive(log_csv=LOG),
}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", ["b.csv{}", "b{}", "b.csv", "b", "b.csv.1{}", "b.CSV{}"])
def test_a_compressed_log_is_read_whatever_it_is_called(tmp_path: Path, ending: str, name: str) -> None:
    """As the first bytes say: in a folder beside others, and alone."""
    path = tmp_path / name.format(ending)
    assert rows(load(path, PACKED[ending])) == ROWS
    (tmp_path / "a.csv").write_text(CSV)
    ratings = load(tmp_path)
    assert len(ratings.frame) == 6
    assert ratings.tally.notes == ()
    assert len(load(f"{tmp_path}/*").frame) == 6


def test_what_a_mac_adds_to_a_zip_archive_is_passed_over(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as packed:
        packed.writestr("log/", "")
        for name in ("log/a.csv", "__MACOSX/log/._a.csv", "log/.DS_Store"):
            packed.writestr(name, LOG)
    assert rows(load(tmp_path / "log.zip")) == ROWS


def _locked() -> bytes:
    """An archive whose flags ask for a password."""
    content = bytearray(archive(log_csv=LOG))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


REFUSED: dict[str, Case] = {
    "a zip archive of several files": (
        {"b.zip": archive(users_csv="x", log_csv=LOG)},
        "b.zip",
        {},
        r"b.zip has not one file in it, but 2: 'users.csv, log.csv'; what to do: unpack it, and give the right one",
    ),
    "a zip archive of nothing": ({"b.zip": archive()}, "b.zip", {}, r"b.zip can't be read"),
    "a zip archive with a password": ({"b.zip": _locked()}, "b.zip", {}, r"b.zip can't be read: .*password"),
    "an Excel file": (
        {"b.xlsx": archive(**{"[Content_Types].xml": "x", "xl__workbook.xml": "x"})},
        "b.xlsx",
        {},
        r"b.xlsx is no text: 'Excel'; what to do: save the sheet as CSV",
    ),
    "Parquet in a zip archive": (
        {"b.zip": archive(a=table())},
        "b.zip",
        {},
        r"b.zip is no Parquet file: 'zip'; what to do: unpack it first",
    ),
    "a tar archive in gzip": (
        {"b.csv.gz": gzip.compress(b"log.csv".ljust(257, b"\0") + b"ustar\0" + bytes(300))},
        "b.csv.gz",
        {},
        r"b.csv.gz is no text: 'tar'; what to do: unpack it",
    ),
    "xz cut short": ({"b.csv.xz": lzma.compress(LOG * 99)[:-40]}, "b.csv.xz", {}, r"b.csv.xz can't be read"),
    "xz with a fault": (
        {"b.csv.xz": lzma.compress(LOG)[:40] + b"?" + lzma.compress(LOG)[41:]},
        "b.csv.xz",
        {},
        r"b.csv.xz can't be read",
    ),
    "a zip archive with a fault": (
        {"b.zip": archive(log_csv=LOG).replace(archive(log_csv=LOG)[50:54], b"????")},
        "b.zip",
        {},
        r"b.zip can't be read",
    ),
    "lz4 cut short": ({"b.csv.lz4": pa.compress(LOG, "lz4", asbytes=True)[:-20]}, "b.csv.lz4", {}, r"b.csv.lz4"),
    "text called xz": (
        {"b.csv.xz": LOG},
        "b.csv.xz",
        {},
        r"is not xz-compressed as its name says; .*take the ending off",
    ),
    "one of a folder": (
        {"a.csv": CSV, "b.csv.zip": archive(a_csv="x", b_csv="y")},
        "",
        {},
        r"b.csv.zip has not one file in it, but 2: 'a.csv, b.csv'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_unpacked_is_refused(tmp_path: Path, case: str) -> None:
    assert_refused(tmp_path, REFUSED[case])
