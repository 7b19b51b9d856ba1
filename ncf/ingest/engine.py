"""What reads and filters a log: pandas, or Spark where one machine ends. Spark itself is imported only to be used."""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ncf.config import Settings
from ncf.errors import ConfigError
from ncf.ingest.config import FileSource, SourceConfig, SparkSource

JAVA_ENCODINGS = ("utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1")  # that Spark takes
SPARK_UNITS = ("auto", "s", "ms", "us", "ns", "iso")
SECRET_PROPERTY = re.compile(r"password|secret|token|credential|(access|account)\.key", re.IGNORECASE)  # of Spark


class EngineConfig(Settings):
    """What reads and filters a log: pandas in one process, or Spark, which needs the extra spark and Java."""

    kind: Literal["pandas", "spark"] = Field(
        default="pandas", description="pandas: in this process; spark: the same result, for logs beyond one machine"
    )
    master: str = Field(
        default="local[*]", min_length=1, description="spark: its master, such as spark://host:7077 or yarn"
    )
    remote: str | None = Field(
        default=None,
        pattern="^sc://",
        description="spark: address of a Spark Connect server, such as sc://host:15002, instead of a master; empty: "
        "$SPARK_REMOTE, if it is set. A token goes there",
    )
    conf: dict[str, str] = Field(
        default={},
        description='spark: its properties, such as {"spark.executor.memory": "4g"}; secrets go into '
        "$SPARK_CONF_DIR/spark-defaults.conf",
    )

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        secrets = [key for key in self.conf if SECRET_PROPERTY.search(key)]
        if secrets or SECRET_PROPERTY.search(self.remote or ""):
            raise ConfigError(
                "the setting engine must not have secrets: settings are shown and logged",
                got=secrets or "a token in remote",
                do="put properties into $SPARK_CONF_DIR/spark-defaults.conf, and an address with a token into "
                "$SPARK_REMOTE",
            )
        return self


def check_engine(source: SourceConfig, engine: EngineConfig) -> None:
    """Look whether the engine is there, and can read the source.

    Raises:
        ConfigError: it is not, or can't.
    """
    if engine.kind == "pandas":
        if isinstance(source, SparkSource):
            raise ConfigError(
                "a table of Spark's is read by Spark alone", got=engine.kind, do="set engine.kind to spark"
            )
        return
    _refuse_for_spark(source)
    remote = engine.remote or os.environ.get("SPARK_REMOTE")
    missing = [name for name in ("pyspark", "grpc" if remote else "py4j") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the engine spark needs the package {missing[0]}",
            do="install the extra spark: .venv/bin/pip install -c constraints.txt -e '.[spark]'",
        )
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    if not remote and shutil.which(java) is None:
        raise ConfigError(
            "the engine spark needs Java, and there is none",
            got=str(java),
            allowed="Java 17 or newer",
            do="install it (Debian: apt-get install default-jre-headless), set JAVA_HOME to where it is, or set "
            "engine.remote to a Spark Connect server",
        )


def _refuse_for_spark(source: SourceConfig) -> None:
    """Refuse what the engine spark can't read as pandas does."""
    do = "set engine.kind to pandas"
    if not isinstance(source, FileSource | SparkSource):
        raise ConfigError(
            "the engine spark can't read this kind of source", got=source.kind, allowed="files or spark", do=do
        )
    others = {"validation_path", "test_path", "item_separator", "skip_rows", "time_format"} & set(
        type(source).model_fields
    )
    for name in sorted(others):
        if value := getattr(source, name):
            raise ConfigError(f"the engine spark can't read source.{name}", got=value, do=do)
    if source.time_unit not in SPARK_UNITS:
        allowed = ", ".join(SPARK_UNITS)
        raise ConfigError("the engine spark can't read this time_unit", got=source.time_unit, allowed=allowed, do=do)
    if isinstance(source, FileSource) and len(source.comment or "") > 1:
        allowed = "a comment of one letter"
        raise ConfigError("the engine spark can't read this comment", got=source.comment, allowed=allowed, do=do)
    if isinstance(source, FileSource) and source.encoding.lower() not in JAVA_ENCODINGS:
        allowed = ", ".join(JAVA_ENCODINGS)
        raise ConfigError("the engine spark can't read this encoding", got=source.encoding, allowed=allowed, do=do)
