"""One Spark on this machine for all tests of the folder; they skip where there is no Java."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from ncf.data.config import DataConfig
from ncf.data.prepared import PreparedData
from ncf.ingest.config import FileSource, SourceConfig
from ncf.ingest.engine import EngineConfig
from ncf.prepare import prepare_source

SPARK = EngineConfig(kind="spark", master="local[2]")


def has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which(f"{home}/bin/java" if home else "java") is not None


@pytest.fixture(scope="package")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason="the extra spark is not installed")
    if not has_java():
        pytest.skip("Spark needs Java, and there is none (Debian: apt-get install default-jre-headless)")
    from pyspark.sql import SparkSession

    conf = {
        "spark.sql.shuffle.partitions": "3",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.files.maxPartitionBytes": "20000",  # several blocks a file
        "spark.sql.files.openCostInBytes": "0",
    }
    builder = SparkSession.Builder().master("local[2]").appName("tests")
    session = builder.config(map=conf).getOrCreate()  # type: ignore[arg-type]
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def by_both(source: SourceConfig, config: DataConfig | dict[str, Any]) -> PreparedData:
    """Prepare a log with pandas and with Spark, and see that they agree."""
    settings = DataConfig.model_validate(config) if isinstance(config, dict) else config
    ours = prepare_source("log", source, settings)
    theirs = prepare_source("log", source, settings, engine=SPARK)
    report, other = ours.report, theirs.report
    assert other.model_dump(exclude={"notes"}) == report.model_dump(exclude={"notes"})
    assert theirs.fingerprint == ours.fingerprint
    pd.testing.assert_frame_equal(theirs.left_out, ours.left_out)
    assert theirs.titles.tolist() == ours.titles.tolist()
    return theirs


def of(path: object, **settings: Any) -> FileSource:
    return FileSource(path=str(path), **settings)
