"""Every kind of log becomes by Dask what it becomes by pandas."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from ncf.data.config import DataConfig, EngineConfig
from ncf.data.ratings import Ratings
from ncf.ingest.archives import RATINGS_FILE, TITLES_FILE
from ncf.ingest.config import FileSource, MovieLensSource, SQLSource
from ncf.prepare import prepare_ratings, prepare_source
from tests.ncf.data.dask.same import ROWS, SETTINGS, START, a_split_of_its_own, both, csv, log, refused, several_files

pytestmark = pytest.mark.usefixtures("small_pieces")


def one_id_with_a_leading_zero(folder: Path) -> FileSource:
    frame = log().astype({"user_id": "str"})
    frame.loc[ROWS - 2, "user_id"] = "0" + frame.loc[ROWS - 2, "user_id"]
    return csv(frame, folder / "log.csv")


def text_ids(folder: Path) -> FileSource:
    frame = log()
    letters = frame.item_id.map(lambda item: chr(97 + item % 26) + "é" * (item % 3) + str(item))
    return csv(frame.assign(user_id="user-" + frame.user_id.astype("str"), item_id=letters), folder / "log.csv")


def no_times(folder: Path) -> FileSource:
    return csv(log().drop(columns="timestamp"), folder / "log.csv")


def pairs_alone(folder: Path) -> FileSource:
    return csv(log()[["user_id", "item_id"]], folder / "log.csv")


def parquet_with_timestamps(folder: Path) -> FileSource:
    frame = log()
    frame["timestamp"] = pd.to_datetime(frame.timestamp, unit="s")
    frame.to_parquet(folder / "log.parquet", row_group_size=90)
    return FileSource(path=str(folder / "log.parquet"))


def parquet_with_text_that_reads_as_integers(folder: Path) -> FileSource:
    frame = log().astype({"user_id": "str"})
    frame.to_parquet(folder / "log.parquet")
    return FileSource(path=str(folder / "log.parquet"))


def compressed_without_header(folder: Path) -> FileSource:
    log().to_csv(folder / "log.tsv.gz", sep="\t", index=False, header=False)
    columns = {"user": 0, "item": 1, "rating": 2, "timestamp": 3}
    return FileSource.model_validate({"path": str(folder / "log.tsv.gz"), "columns": columns})


def quoted_line_breaks(folder: Path) -> FileSource:
    frame = log()
    return csv(frame.assign(user_id="a\nb," + frame.user_id.astype("str")), folder / "log.csv")


def other_names(folder: Path) -> FileSource:
    return csv(log().rename(columns={"user_id": "uid", "item_id": "movieId"}), folder / "log.csv")


def iso_times(folder: Path) -> FileSource:
    frame = log()
    return csv(frame.assign(timestamp=pd.to_datetime(frame.timestamp, unit="s", utc=True)), folder / "log.csv")


def milliseconds(folder: Path) -> FileSource:
    frame = log()
    return csv(frame.assign(timestamp=frame.timestamp * 1000 + 7), folder / "log.csv")


def fractions_of_a_second_further_on(folder: Path) -> FileSource:
    frame = log().astype({"timestamp": "object"})
    frame.loc[450, "timestamp"] = START + 0.25
    return csv(frame, folder / "log.csv")


def one_time_for_all(folder: Path) -> FileSource:
    return csv(log().assign(timestamp=START), folder / "log.csv")


def with_titles(folder: Path) -> FileSource:
    titles = pd.DataFrame({"item_id": range(100, 150), "title": [f"Title {item}" for item in range(100, 150)]})
    titles.to_csv(folder / "titles.csv", index=False)
    return csv(log(), folder / "log.csv", titles_path=str(folder / "titles.csv"))


LOGS = [
    several_files,
    one_id_with_a_leading_zero,
    text_ids,
    no_times,
    pairs_alone,
    parquet_with_timestamps,
    parquet_with_text_that_reads_as_integers,
    compressed_without_header,
    quoted_line_breaks,
    other_names,
    iso_times,
    milliseconds,
    fractions_of_a_second_further_on,
    one_time_for_all,
    with_titles,
    a_split_of_its_own,
]


@pytest.mark.slow
@pytest.mark.parametrize("made", LOGS, ids=lambda made: made.__name__)
def test_every_log_gives_the_same(
    made: Callable[[Path], FileSource], cluster: EngineConfig, tmp_path: Path, cache: Path
) -> None:
    both(made(tmp_path), cluster, cache)


def test_ids_have_the_type_that_suits_the_whole_log(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    found, _ = both(one_id_with_a_leading_zero(tmp_path), cluster, cache)
    assert all(isinstance(user, str) for user in found.user_ids)
    assert sum(user.startswith("0") for user in found.user_ids) == 1


@pytest.mark.slow
def test_a_given_split_is_filtered_in_the_same_way(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    settings = {"feedback": {"threshold": 3}, "filters": {"max_users": 25}}
    both(a_split_of_its_own(tmp_path), cluster, cache, settings)


@pytest.mark.slow
def test_movielens_by_name(cluster: EngineConfig, cache: Path) -> None:
    folder = cache / "movielens" / "ml-100k"
    folder.mkdir(parents=True)
    log().astype({"rating": "float64"}).to_parquet(folder / RATINGS_FILE)
    titles = pd.DataFrame({"item_id": [100, 101], "title": ["One", "Two"]})
    titles.to_parquet(folder / TITLES_FILE, index=False)
    found, _ = both(MovieLensSource(name="ml-100k"), cluster, cache)
    assert found.titles[found.item_ids == 101].tolist() == ["Two"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(tmp_path / "log.db") as connection:
        monkeypatch.setenv("NCF_DATABASE_URL", f"sqlite:///{tmp_path / 'log.db'}")
        yield connection
    connection.close()


def stored(frame: pd.DataFrame, database: sqlite3.Connection) -> SQLSource:
    """As a table whose columns have no types, so that every value keeps its own."""
    database.execute(f"CREATE TABLE plays ({', '.join(frame.columns)})")
    rows = [
        [value.item() if isinstance(value, np.generic) else value for value in row] for row in frame.to_numpy(object)
    ]
    database.executemany("INSERT INTO plays VALUES (?, ?, ?, ?)", rows)
    database.commit()
    return SQLSource(table="plays", chunk_rows=10)


@pytest.mark.slow
def test_a_database(database: sqlite3.Connection, cluster: EngineConfig, cache: Path) -> None:
    both(stored(log(), database), cluster, cache, SETTINGS["everything at once"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "value"),
    [("user_id", None), ("user_id", "x"), ("rating", None), ("timestamp", None), ("item_id", 1.5)],
)
def test_a_database_with_an_unusable_value(
    column: str, value: object, database: sqlite3.Connection, cluster: EngineConfig, cache: Path
) -> None:
    frame = log().astype("object")
    frame.loc[130, column] = value
    assert "row 131 " in refused(stored(frame, database), cluster, cache)


@pytest.mark.slow
def test_uuids_of_a_database(monkeypatch: pytest.MonkeyPatch, cluster: EngineConfig, cache: Path) -> None:
    frame = log()
    frame["user_id"] = [UUID(int=int(user) << 64) for user in frame.user_id]
    slices = [frame[at : at + 50].reset_index(drop=True) for at in range(0, ROWS, 50)]
    chunks = [({str(name): values for name, values in part.items()}, "auto") for part in slices]
    monkeypatch.setattr("ncf.data.dask.sources.read_chunks", lambda source, url: iter(chunks))
    source, config = SQLSource(table="plays"), DataConfig()
    expected, report = prepare_ratings("log", Ratings.from_frame(frame), config)
    found, found_report = prepare_source("log", source, config, cluster, cache)
    assert found.fingerprint == expected.fingerprint
    assert found.user_ids.tolist() == expected.user_ids.tolist()
    assert found_report == report


def test_uuids_of_parquet(tmp_path: Path, cluster: EngineConfig, cache: Path) -> None:
    frame = log()
    users = pa.array([UUID(int=int(user) << 64).bytes for user in frame.user_id], pa.uuid())
    table = pa.Table.from_pandas(frame.drop(columns="user_id")).append_column("user_id", users)
    parquet.write_table(table, tmp_path / "log.parquet")
    found, _ = both(FileSource(path=str(tmp_path / "log.parquet")), cluster, cache)
    assert all(isinstance(user, UUID) for user in found.user_ids)
