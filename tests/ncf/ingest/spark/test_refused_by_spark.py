"""What Spark refuses, pandas refuses too; the error has the file, the row, the value and how many there are."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ncf.data.config import DataConfig
from ncf.errors import ConfigError, DataError
from ncf.ingest.config import MovieLensSource, SparkSource
from ncf.ingest.engine import EngineConfig, check_engine
from ncf.ingest.load import check_source, load_ratings
from ncf.prepare import prepare_source
from tests.ncf.ingest.spark.conftest import SPARK, of

HEADER = "user_id,item_id,rating,timestamp"
GOOD = [f"u{n % 3},i{n % 4},{n % 5},{1_500_000_000 + n}" for n in range(12)]


def refusals(path: Path, settings: dict[str, Any], **source: Any) -> tuple[str, str]:
    """What pandas says, and what Spark says."""
    found = []
    for engine in (EngineConfig(), SPARK):
        with pytest.raises(DataError) as error:
            prepare_source("log", of(path, **source), DataConfig.model_validate(settings), engine=engine)
        found.append(str(error.value))
    return found[0], found[1]


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([",i1,3,1500000020", "  ,i1,3,1500000020"], ["unusable user_id", "must not be empty", "2 such rows"]),
        (["u1,i1,x,1500000020", "u1,i2,nan,1500000021"], ["unusable rating: 'x'", "finite number", "2 such rows"]),
        (["u1,i1,3,2020-01-01"], ["unusable timestamp: '2020-01-01'", "row 13"]),
        (["u1,i1,3,1500000020000"], ["unusable timestamp", "one unit in the whole column", "ms"]),
        (["u1,i1,3,-5"], ["unusable timestamp", "a time from 1970-01-01"]),
        (["u1,NULL,3,1500000020", "u1,NULL,3,1500000021"], ["unusable item_id: 'NULL'", "these 2 rows", "null_words"]),
        ([HEADER], ["unusable"]),
        (["u1,i1,3"], ["row 13", "cells", "u1,i1,3", "fix this line"]),
        (['u1,"i1,3,1500000020', 'x",i1,3,1500000020'], ["row 13", "open quote", "fix this line"]),
    ],
    ids=["empty", "number", "kind", "unit", "range", "null", "header", "cells", "quote"],
)
def test_a_bad_row_is_told_with_its_place(bad: list[str], words: list[str], tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("\n".join([HEADER, *GOOD, *bad, *GOOD, ""]))
    said = refusals(tmp_path / "log.csv", {})[1] if '"' not in bad[0] else spark_alone(tmp_path / "log.csv")
    assert "log.csv" in said
    assert not [word for word in words if word not in said], said


def spark_alone(path: Path) -> str:
    with pytest.raises(DataError) as error:
        prepare_source("log", of(path), DataConfig(), engine=SPARK)
    return str(error.value)


@pytest.mark.usefixtures("spark")
def test_the_advice_about_quotes_that_span_lines_works(tmp_path: Path) -> None:
    rows = [*GOOD, '"u1","i\n1",3,1500000020']
    (tmp_path / "log.csv").write_text("\n".join([HEADER, *rows, ""]))
    assert "engine.kind to pandas" in spark_alone(tmp_path / "log.csv")
    assert prepare_source("log", of(tmp_path / "log.csv"), DataConfig()).report.rows_read == 13


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    "settings",
    [
        {"feedback": {"kind": "explicit", "scale": [1, 5]}},
        {"filters": {"as_of": "1999-01-01T00:00:00Z"}},
        {"filters": {"min_per_user": 50, "min_per_item": 50}},
    ],
    ids=["scale", "as_of", "core"],
)
def test_choices_that_do_not_fit_the_log_are_refused_in_the_same_words(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text("\n".join([HEADER, *GOOD, ""]))
    pandas, spark = refusals(tmp_path / "log.csv", settings)
    assert spark == pandas


@pytest.mark.usefixtures("spark")
def test_ids_of_a_type_that_can_not_be_one_are_refused(tmp_path: Path) -> None:
    times = [datetime(2020, 1, day + 1) for day in range(4)]
    parquet.write_table(pa.table({"user_id": times, "item_id": [1, 2, 3, 4]}), tmp_path / "log.parquet")
    assert "user_id" in refusals(tmp_path / "log.parquet", {})[1]


@pytest.mark.usefixtures("spark")
def test_a_file_that_spark_can_not_read_is_told_without_a_stack(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Spark can't read") as error:
        prepare_source("log", of("nowhere://bucket/log.parquet"), DataConfig(), engine=SPARK)
    assert "\n" not in str(error.value)


def test_a_source_of_another_kind_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="can't read this kind of source: 'movielens'"):
        check_source(MovieLensSource(), SPARK)
    with pytest.raises(ConfigError, match="set engine.kind to spark"):
        check_source(SparkSource(table="log"))
    with pytest.raises(ConfigError, match="prepare_source with an engine"):
        load_ratings(SparkSource(table="log"))
    with pytest.raises(ConfigError, match=r"source.test_path: 'b.csv'"):
        check_source(of("a.csv", test_path="b.csv"), SPARK)
    with pytest.raises(ConfigError, match="encoding: 'cp1252'"):
        check_source(of("a.csv", encoding="cp1252"), SPARK)


def test_without_java_or_the_extra_the_engine_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setattr("ncf.ingest.engine.find_spec", lambda name: name)
    with pytest.raises(ConfigError, match="needs Java, and there is none: '/nowhere/bin/java'"):
        check_engine(SparkSource(table="log"), SPARK)
    check_engine(SparkSource(table="log"), EngineConfig(kind="spark", remote="sc://host:15002"))
    monkeypatch.setattr("ncf.ingest.engine.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="the package pyspark"):
        check_engine(SparkSource(table="log"), SPARK)


def test_secrets_are_not_settings() -> None:
    with pytest.raises(ConfigError, match="spark-defaults.conf") as error:
        EngineConfig(conf={"spark.hadoop.fs.s3a.secret.key": "xyzzy"})
    assert "xyzzy" not in str(error.value)
    with pytest.raises(ConfigError, match="SPARK_REMOTE"):
        EngineConfig(remote="sc://host:15002/;token=xyzzy")
    assert EngineConfig(conf={"spark.shuffle.sort.bypassMergeThreshold": "1"})
