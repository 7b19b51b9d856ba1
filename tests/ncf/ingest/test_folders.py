"""Folders and globs: what is read of them, what is left out and told, and what is refused."""

import io
import re
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from pyarrow import feather, orc

from ncf.errors import DataError
from tests.ncf.ingest.log_files import CSV, HEAD, ROWS, Case, assert_refused, ids, load, rows, table, write

PARTS = [HEAD + line + "\n" for line in CSV.splitlines()[1:]]


@pytest.mark.parametrize(
    "name",
    [
        *("b.CSV", "b.csv.1", "b.csv.2024-01-31", "b", "part-00001", "000000_0", "b.tab", "b.tsv", "b.txt"),
        *("b.csv.1.GZ", "sub/b.csv", "date=2024/b.csv"),
    ],
)
def test_a_part_of_any_usual_name_is_read(tmp_path: Path, name: str) -> None:
    part = PARTS[1].replace(",", "\t") if name.endswith((".tab", ".tsv")) else PARTS[1]
    write(tmp_path / "a.csv", PARTS[0])
    compressed = pa.compress(part.encode(), "gzip", asbytes=True)
    write(tmp_path / name, compressed if name.endswith("GZ") else part)
    ratings = load(tmp_path)
    assert sorted(ratings.frame["item_id"]) == [1, 2]
    assert ratings.tally.notes == ()


@pytest.mark.parametrize("name", ["part-00000", "part-00000.snappy", "x.1"])
def test_parquet_without_its_ending_is_known_by_what_it_is(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, table())
    assert ids(load(tmp_path / name)) == ([7, 7, 9], [1, 2, 1])
    if name != "part-00000.snappy":
        assert ids(load(tmp_path)) == ([7, 7, 9], [1, 2, 1])


def test_parts_of_text_may_differ_in_separator_and_in_the_order_of_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", PARTS[0])
    write(tmp_path / "b.csv", "item_id;timestamp;rating;user_id\n2;1000000002;5;7\n")
    write(tmp_path / "c.csv", PARTS[2])
    assert rows(load(tmp_path)) == ROWS


def test_a_later_part_without_names_is_read_and_told(tmp_path: Path) -> None:
    """As `split -l` cuts a file: only the first part has the line of names."""
    write(tmp_path / "xaa", PARTS[0])
    write(tmp_path / "xab", "".join(part.removeprefix(HEAD) for part in PARTS[1:]))
    ratings = load(tmp_path)
    assert rows(ratings) == ROWS
    told = f"files without a header, read with that of the first: 1, such as {tmp_path}/xab"
    assert ratings.tally.notes == (told,)


def test_files_that_are_not_read_are_named_and_counted(tmp_path: Path) -> None:
    for name, part in zip("abc", PARTS, strict=True):
        write(tmp_path / f"{name}.csv", part)
    for name in (
        "x.xlsx",
        "schema.json",
        "README",
        "README.txt",
        "LICENSE.md",
        "Thumbs.db",
        "_SUCCESS",
        ".DS_Store",
        ".a.csv.crc",
    ):
        write(tmp_path / name, "something")
    ratings = load(tmp_path)
    assert rows(ratings) == ROWS
    left = "LICENSE.md, README, README.txt, Thumbs.db, schema.json, x.xlsx"
    assert ratings.tally.notes == (f"6 of 9 files of {tmp_path} are not read: {left}",)


def _orc() -> bytes:
    stream = io.BytesIO()
    orc.write_table(pa.table({"user_id": [7], "item_id": [1]}), stream)
    return stream.getvalue()


def _feather() -> bytes:
    stream = io.BytesIO()
    feather.write_feather(pa.table({"user_id": [7], "item_id": [1]}), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("b.orc", _orc()), ("b.avro", b"Obj\x01"), ("b.feather", _feather()), ("b.xlsx", b"PK\x03\x04")),
        *(("b.csv.snappy", b"x"), ("b.csv.bak", PARTS[1]), ("b.log", "x"), ("part-00001", _orc())),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_of_which_as_much_is_left_out_is_refused_with_a_way_out(
    tmp_path: Path, kind: str, name: str, content: str | bytes
) -> None:
    write(tmp_path / "log" / f"a.{kind}", CSV if kind == "csv" else table())
    write(tmp_path / "log" / name, content)
    with pytest.raises(DataError, match=rf"only 1 of 2 files can be read: '{name}'") as error:
        load(tmp_path / "log")
    glob = re.findall(r"give the glob (\S+)$", str(error.value))[0]
    assert ids(load(glob)) == (ROWS["user_id"], ROWS["item_id"])
    (tmp_path / "log" / name).unlink()
    assert ids(load(tmp_path / "log")) == (ROWS["user_id"], ROWS["item_id"])


def test_a_folder_of_two_kinds_is_read_with_a_format(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", CSV)
    write(tmp_path / "b.parquet", table())
    write(tmp_path / "c.jsonl", '{"user_id": 1, "item_id": 2}\n')
    with pytest.raises(DataError, match=r"has both Parquet and JSON files: .*set format to parquet or json, or give"):
        load(tmp_path)
    assert len(load(tmp_path, format="text").frame) == 3
    assert len(load(tmp_path, format="parquet").frame) == 3
    one = load(tmp_path, format="json")
    assert ids(one) == ([1], [2])
    assert one.tally.notes == (f"2 of 3 files of {tmp_path} are not read: a.csv, b.parquet",)
    (tmp_path / "b.parquet").unlink()
    (tmp_path / "c.jsonl").rename(tmp_path / "c.json")
    with pytest.raises(DataError, match=r"has both JSON and text files"):
        load(tmp_path)


@pytest.mark.parametrize("place", ["", "memory://"])
def test_a_glob_and_a_folder_agree_about_names_with_a_dot_or_a_line(tmp_path: Path, place: str) -> None:
    for name in ("a.csv", "_b.csv", ".c.csv", "_tmp/d.csv"):
        write(tmp_path / "log" / name, CSV)
    folder = str(tmp_path / "log")
    if place:
        system = fsspec.filesystem("memory")
        system.put(folder, "/log", recursive=True)
        folder = "memory://log"
    one = load(folder)
    assert len(one.frame) == 3
    assert re.search(
        r"3 files of .*log are passed over, since a name begins with \. or _: \.c.csv, _b.csv, d.csv",
        "".join(one.tally.notes),
    )
    for pattern, files in (("*.csv", 1), ("**/*.csv", 1), ("_*.csv", 1), (".*.csv", 1), ("_tmp/*.csv", 1), ("_*/*", 1)):
        assert len(load(f"{folder}/{pattern}").frame) == 3 * files, pattern
    assert len(load(f"{folder}/*.csv").tally.notes) == 1
    with pytest.raises(
        DataError, match=r"no file matches: .*names that begin with \. or _, as _b.csv, are passed over"
    ):
        load(f"{folder}/?b.csv")
    if place:
        system.store.clear()
        system.pseudo_dirs[:] = [""]


def test_the_path_to_a_glob_may_have_names_with_a_line(tmp_path: Path) -> None:
    write(tmp_path / "_data" / ".x" / "a.csv", CSV)
    assert rows(load(tmp_path / "_data" / ".x" / "*.csv")) == ROWS
    assert rows(load(tmp_path / "_data" / ".x")) == ROWS


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta"),
        (".hoodie/hoodie.properties", "Hudi"),
        ("metadata/v1.metadata.json", "Iceberg"),
    ],
)
def test_a_table_that_keeps_deleted_rows_is_no_folder_of_files(tmp_path: Path, mark: str, kind: str) -> None:
    write(tmp_path / "a.parquet", table())
    write(tmp_path / mark, "{}")
    with pytest.raises(DataError, match=rf"is a table of {kind}; .*deleted rows too, give the glob ") as error:
        load(tmp_path)
    glob = re.findall(r"give the glob (\S+)$", str(error.value))[0]
    assert ids(load(glob)) == (ROWS["user_id"], ROWS["item_id"])


def test_a_glob_of_folders_says_what_to_add(tmp_path: Path) -> None:
    write(tmp_path / "2024-01" / "a.csv", CSV)
    with pytest.raises(DataError, match=r"no file matches: .*it matches folders: add /\* to read what is in them"):
        load(f"{tmp_path}/2024-*")
    assert rows(load(f"{tmp_path}/2024-*/*")) == ROWS


def test_an_ending_that_is_unknown_is_read_if_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "a.log", '{"user_id": 1, "item_id": 2}\n')
    with pytest.raises(DataError, match=r"has no file to read: 'a.log'.*set format, or give a glob"):
        load(tmp_path)
    for path, form in ((tmp_path, "json"), (tmp_path / "*.log", "auto"), (tmp_path / "a.log", "auto")):
        assert ids(load(path, format=form)) == ([1], [2])


FAULTS: dict[str, Case] = {
    "a log beside the same, compressed": (
        {"a.csv": CSV, "a.csv.gz": pa.compress(CSV.encode(), "gzip", asbytes=True)},
        "",
        {},
        r"the same log, compressed and not: '.*a.csv, .*a.csv.gz'; what to do: move one of them away, or give a glob",
    ),
    "a text file": ({"a.csv": CSV, "b.csv": HEAD + "7,1\n"}, "", {}, r"b.csv: 1 lines have too many or too few"),
    "a compressed one": (
        {"a.csv": CSV, "b.csv.gz": pa.compress(CSV.encode(), "gzip", asbytes=True)[:-20]},
        "",
        {},
        r"b.csv.gz can't be read",
    ),
    "times of another kind": (
        {"a.csv": CSV, "b.csv": HEAD + "7,1,4,2019-01-01\n"},
        "",
        {},
        r"b.csv, line 2 has an unusable timestamp",
    ),
    "one with a rating that the others lack": (
        {"a.csv": "user_id,item_id\n7,1\n", "b.csv": "user_id,item_id,rating\n7,2,5\n"},
        "",
        {},
        r"b.csv has other columns than .*a.csv",
    ),
    "one without names among unnamed": (
        {"a.csv": "7,1\n", "b.csv": "7,1,5\n"},
        "",
        {"columns": {"user": 0, "item": 1}},
        r"b.csv has other columns than .*a.csv",
    ),
    "text that is not the log": (
        {"a.csv": CSV, "part-1": "Once upon a time\n"},
        "",
        {},
        r"part-1 has other columns than .*a.csv",
    ),
    "an empty one": ({"a.csv": CSV, "b.csv": ""}, "", {}, r"b.csv is empty; .*or remove it"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_an_error_names_the_file_of_the_folder(tmp_path: Path, case: str) -> None:
    assert_refused(tmp_path, FAULTS[case])


def test_a_folder_with_hundreds_of_parts(tmp_path: Path) -> None:
    for part in range(300):
        write(tmp_path / f"part-{part:05}", f"user_id,item_id\n{part},{part % 7}\n")
    assert ids(load(tmp_path)) == (list(range(300)), [part % 7 for part in range(300)])
