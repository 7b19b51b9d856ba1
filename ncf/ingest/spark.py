"""A log read by Spark: the same rows as pandas reads, with their places. Needs the extra spark and Java."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any, TypeAlias
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (its usual name)
from pyspark.sql.pandas.types import from_arrow_type

from ncf.data import ITEM_ID, TIMESTAMP, TRAIN, USER_ID, TimeUnit
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.filters import FilteredLog
from ncf.errors import ConfigError, DataError
from ncf.ingest.columns import find_columns, guessed_roles, with_filters
from ncf.ingest.config import FileSource, SparkSource
from ncf.ingest.dialect import Dialect
from ncf.ingest.engine import EngineConfig
from ncf.ingest.files import open_tables, open_titles, read_titles
from ncf.ingest.folders import ENDINGS
from ncf.ingest.json_lines import JsonTable
from ncf.ingest.json_reader import JsonField
from ncf.ingest.locations import COMPRESSIONS, File, first_line, is_here
from ncf.ingest.parquet import ParquetTable
from ncf.ingest.spark_columns import BAD_LINE, PLACE, Rows, read_columns
from ncf.ingest.spark_pairs import filtered_pairs, take_rows
from ncf.ingest.tables import Table, given_by_folder
from ncf.ingest.text import TextTable

HERE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
QUIET = {"spark.ui.showConsoleProgress": "false"}
OURS = {  # of our session alone
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # an id 007 stays one
}
Part: TypeAlias = tuple[DataFrame, dict[str, str]]  # rows, and role -> column of theirs
NANOSECONDS = "nanoseconds"
IDS = (USER_ID, ITEM_ID)
PATH = "path"
ONE_SLASH = re.compile(r"^([^:/]+):/*")  # a URI has one or three
PLACE_IN_TEXT = "_metadata.file_block_start", "monotonically_increasing_id()"
PLACE_IN_PARQUET = "0", "_metadata.row_index"


def load_with_spark(
    source: FileSource | SparkSource, engine: EngineConfig, filters: FilterConfig, feedback: FeedbackConfig
) -> FilteredLog:
    """Read, check and filter a log in Spark; the pairs and what is left out come here in slices.

    Returns:
        What `filter_ratings` makes of the same log, with the titles. Of equal times the order is that of files and
        rows; in a table, which has none, that of item ids and ratings.

    Raises:
        ConfigError: Spark can't be started with these settings.
        DataError: the log is not there, or not what it should be; or nothing is left of it.
    """
    titles = open_titles(source) if isinstance(source, FileSource) else None
    where = source.path if isinstance(source, FileSource) else source.table or "the query"
    with _without_warnings(), _session(engine) as spark, _told(where):
        rows = _open_files(spark, source) if isinstance(source, FileSource) else _open_table(spark, source)
        rows, taken_rows = take_rows(rows, source.where)
        checked, tally = read_columns(spark, rows)
        tally = taken_rows.told(tally)
        if taken := guessed_roles(rows.names, with_filters(source.columns, source.where)):
            tally = tally.note(
                f"columns taken: {', '.join(f'{rows.names[r]} as {r}' for r in rows.names if r in taken)}"
            )
        log = filtered_pairs(spark, checked, tally, filters, feedback)
    if titles is None or not isinstance(source, FileSource):
        return FilteredLog(log, pd.Series(dtype=str))
    return FilteredLog(log, read_titles(titles, source.ids, pd.Series(log.item_ids)))


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")  # its DataFrames do without
        yield


@contextmanager
def _session(engine: EngineConfig) -> Iterator[SparkSession]:
    """A session of the Spark that is there already, or of one of our own, which ends with the work.

    Raises:
        ConfigError: it can't be started.
    """
    active, remote = SparkSession.getActiveSession(), engine.remote or os.environ.get("SPARK_REMOTE")
    builder = SparkSession.Builder().appName("ncf")
    builder = builder.remote(remote) if remote else builder.master(engine.master)
    conf = {} if remote else QUIET | (HERE if engine.master.startswith("local") else {})
    try:
        shared = active or builder.config(map=conf | engine.conf).getOrCreate()  # type: ignore[arg-type]
        spark = shared.newSession()
        if active is None and not remote:
            spark.sparkContext.setLogLevel("OFF")  # what goes wrong is told by our error
        for key, value in (OURS | engine.conf if active or remote else OURS).items():
            spark.conf.set(key, value)
    except Exception as error:  # of Java, of its gateway, of gRPC
        raise ConfigError(
            f"Spark can't be started at {engine.remote or engine.master}",
            got=first_line(error),
            do="check engine.master, engine.remote and engine.conf, and that Java is 17 or newer",
        ) from error
    try:
        yield spark
    finally:
        if active is None:
            shared.stop()


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Tell an error of Spark in our words."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, PySparkException) and not type(error).__module__.startswith(("py4j", "grpc")):
            raise
        causes = re.findall(r"^Caused by: (.+)$", str(error), re.MULTILINE)
        do = "check that every executor can read it, and that engine.conf has the packages that its format needs"
        raise DataError(f"Spark can't read {where}", got=causes[-1] if causes else first_line(error), do=do) from error


def _open_table(spark: SparkSession, source: SparkSource) -> Rows:
    frame = spark.sql(source.query.strip().rstrip(";")) if source.query else spark.table(source.table or "")
    return _by_name(spark, frame, source, source.table or "the query")


def _open_files(spark: SparkSession, source: FileSource) -> Rows:
    """The files of this machine as pandas finds them; those elsewhere as Spark does."""
    if not is_here(source.path):
        return _open_elsewhere(spark, source)
    table = open_tables(source)[TRAIN]
    do = "write it anew, or set engine.kind to pandas"
    for file in table.files:
        if file.packed in COMPRESSIONS.values() and not file.path.endswith((".gz", ".bz2")):
            raise DataError(f"{file} is packed as Spark does not read it", got=file.packed, allowed=".gz, .bz2", do=do)
    match table.reader:
        case TextTable() as text:
            alike: dict[Any, list[File]] = {}  # files may have separators of their own, and columns in another order
            for file in text.files:
                dialect = replace(text.dialects[file], skip=0)
                if dialect.first:
                    raise DataError(f"{file} has lines before its header, which Spark does not pass over", do=do)
                at = tuple((role, column.index) for role, column in text.columns[file].items())
                alike.setdefault((dialect, at), []).append(file)
            parts = [_text(spark, _paths(files), dialect, dict(at)) for (dialect, at), files in alike.items()]
            rows = replace(_placed(spark, parts, source, source.path, PLACE_IN_TEXT, table), text=True)
        case JsonTable() as json:
            if json.literals:
                raise DataError(f"{min(json.literals, key=str)} is no JSON, but Python's literals", do=do)
            parts = [_json(spark, source, file, json.fields[file]) for file in json.files]
            rows = _placed(spark, parts, source, source.path, PLACE_IN_TEXT, table)
        case ParquetTable() as columns:
            part, unit = _parquet(spark, source, columns)
            rows = replace(_placed(spark, [part], source, source.path, PLACE_IN_PARQUET, table), unit=unit)
    return replace(rows, names=table.names, named=table.named, decimal=source.decimal)


def _paths(files: list[File]) -> list[str]:
    return [re.sub(r"([\[\]{}*?\\])", r"\\\1", file.path) for file in files]  # names, not globs


def _json(spark: SparkSession, source: FileSource, file: File, fields: dict[str, JsonField]) -> Part:
    """Lines of JSON; one that is none, or has a value of another type, is in the column of bad lines."""
    kinds = {role: "bigint" if field.kind == "integer" and role in IDS else "string" for role, field in fields.items()}
    schema = _schema({field.path: kinds[role] for role, field in fields.items()} | {(BAD_LINE,): "string"})
    frame = spark.read.schema(schema).json(
        _paths([file]), encoding=source.encoding, columnNameOfCorruptRecord=BAD_LINE, lineSep="\n"
    )
    return frame, {role: _column(field.path) for role, field in fields.items()} | {BAD_LINE: BAD_LINE}


def _parquet(spark: SparkSession, source: FileSource, table: ParquetTable) -> tuple[Part, TimeUnit]:
    """Parquet files, read by the types that they have in common, and the unit of their times."""
    do = "write it anew, or set engine.kind to pandas"
    if table.uuids:
        got = ", ".join(table.names[role] for role in table.uuids)
        raise DataError(f"{source.path} has UUIDs, which Spark does not read", got=got, do=do)
    schemas = [parquet.read_schema(file.path) for file in table.files if file not in table.empty]
    types: dict[tuple[str, ...], str] = {}
    paths = {
        role: (name,) if name in schemas[0].names else tuple(name.split(".")) for role, name in table.names.items()
    }
    for role, path in paths.items():
        kinds = {_spark_type(schema, path) for schema in schemas}
        if len(kinds) > 1:
            raise DataError(f"the files have {role} in different types", got=", ".join(sorted(kinds)), do=do)
        types[path] = kinds.pop()
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")  # else they can't be read at all
    nanoseconds = types.get(paths.get(TIMESTAMP, ())) == NANOSECONDS
    types = {path: "bigint" if kind == NANOSECONDS else kind for path, kind in types.items()}
    frame = spark.read.schema(_schema(types)).parquet(*_paths(table.files))
    return (frame, {role: _column(path) for role, path in paths.items()}), "ns" if nanoseconds else source.time_unit


def _spark_type(schema: Any, path: tuple[str, ...]) -> str:
    """The type to read a Parquet column as: the widest of its sort, since parts of a log may differ."""
    kind = schema.field(path[0]).type
    for name in path[1:]:
        kind = kind.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return NANOSECONDS
    if pa.types.is_integer(kind):
        return "decimal(20, 0)" if kind == pa.uint64() else "bigint"
    return "double" if pa.types.is_floating(kind) else str(from_arrow_type(kind).simpleString())


def _column(path: tuple[str, ...]) -> str:
    return ".".join(f"`{name.replace('`', '``')}`" for name in path)


def _schema(types: dict[tuple[str, ...], str]) -> str:
    """The schema of columns, some of which may be fields of others."""
    tree: dict[str, dict[tuple[str, ...], str]] = {}
    for path, kind in types.items():
        tree.setdefault(path[0], {})[path[1:]] = kind
    kinds = {name: inner[()] if () in inner else f"struct<{_schema(inner)}>" for name, inner in tree.items()}
    return ", ".join(f"{_column((name,))} {kind}" for name, kind in kinds.items())


def _open_elsewhere(spark: SparkSession, source: FileSource) -> Rows:
    """Files that Spark alone finds, at a URL. Of text, separator and header are not looked for: they are as set."""
    if source.format == "parquet" or (source.format == "auto" and source.path.lower().endswith(ENDINGS["parquet"])):
        return _by_name(spark, spark.read.parquet(source.path), source, source.path, PLACE_IN_PARQUET)
    separator, header = source.separator or ",", source.header is not False
    first = spark.read.options(sep=separator, quote='"', escape='"', encoding=source.encoding).csv(source.path).first()
    cells = [str(cell).strip() for cell in first or ()]
    names = tuple(cells if header else map(str, range(len(cells))))
    at = find_columns(names, with_filters(source.columns, source.where), source.path, header=header)
    part = _text(spark, [source.path], Dialect(separator, source.encoding, source.quoting, header, names, 0), at)
    rows, own = _placed(spark, [part], source, source.path, PLACE_IN_TEXT), {role: names[at[role]] for role in at}
    return replace(rows, names=own, named=header, text=True, decimal=source.decimal)


def _text(spark: SparkSession, paths: list[str], dialect: Dialect, at: dict[str, int]) -> Part:
    """Text files, each line a row; one that does not divide into as many cells is in the column of bad lines."""
    cells = [f"c{index}" for index in range(len(dialect.names))]
    quote = "\0" if dialect.quoting == "none" else '"'
    reader = spark.read.schema(", ".join(f"{cell} string" for cell in (*cells, BAD_LINE))).options(
        sep=dialect.separator,
        header=dialect.header,
        encoding=dialect.encoding,
        quote=quote,
        escape="\\" if dialect.quoting == "backslash" else quote,
        comment=dialect.comment or "\0",
        columnNameOfCorruptRecord=BAD_LINE,
        columnPruning=False,  # else a line with too many or too few cells is not seen
    )
    return reader.csv(paths), {role: cells[index] for role, index in at.items()} | {BAD_LINE: BAD_LINE}


def _by_name(
    spark: SparkSession,
    frame: DataFrame,
    source: FileSource | SparkSource,
    where: str,
    place: tuple[str, str] | None = None,
) -> Rows:
    """Our columns of a frame whose columns have names."""
    found = find_columns(frame.columns, with_filters(source.columns, source.where), where)
    names = {role: frame.columns[at] for role, at in found.items()}
    part = frame, {role: _column((name,)) for role, name in names.items()}
    return replace(_placed(spark, [part], source, where, place), names=names)


def _placed(
    spark: SparkSession,
    parts: list[Part],
    source: FileSource | SparkSource,
    where: str,
    place: tuple[str, str] | None,
    table: Table | None = None,
) -> Rows:
    """The wanted columns of all parts, with the place of each row: its file, the block of it, and the row in that.

    What the names of folders give comes with the table's files.
    """
    path = [] if place is None else [F.regexp_replace("_metadata.file_path", ONE_SLASH.pattern, "$1:/").alias(PATH)]
    path += [F.expr(text).alias(name) for text, name in zip(place or (), PLACE[1:], strict=False)]
    frames = [frame.select(*(F.col(name).alias(role) for role, name in own.items()), *path) for frame, own in parts]
    rows = Rows(reduce(DataFrame.unionByName, frames), where, {}, source.ids, source.time_unit)
    if place is None:
        return rows
    uris = sorted((uri for frame, _ in parts for uri in frame.inputFiles()), key=unquote)
    shown = tuple(re.sub("^file:/+", "/", unquote(uri)) for uri in uris)
    files = {PATH: pa.array([ONE_SLASH.sub(r"\1:/", uri) for uri in uris])}
    files[PLACE[0]] = pa.array(range(len(uris)), pa.int32())
    if table is not None:
        known = {file.path: file for file in table.files}
        for role, key in table.keys.items():
            values = [given_by_folder(role, key, known[name]) for name in shown]
            one_type = len({value.type for value in values}) == 1
            files[role] = pa.array([value.as_py() if one_type else str(value.as_py()) for value in values])
    frame = rows.frame.join(F.broadcast(spark.createDataFrame(pa.table(files))), PATH, "left").drop(PATH)
    return replace(rows, frame=frame, files=shown)
