"""Where an interaction log is: settings for each kind of source, and the checks of a query and of a URL by their text.

SQLAlchemy and sqlparse take long to import, and are imported by the checks that need them.
"""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, TypeVar, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ncf.config import Settings
from ncf.data import TimeUnit
from ncf.data.config import IdRules, TimeFormat, Where, check_times, check_where
from ncf.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlparse.sql import Token

MovieLensName: TypeAlias = Literal["ml-100k", "ml-latest-small", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m"]
MOVIELENS: tuple[MovieLensName, ...] = get_args(MovieLensName)
ColumnName: TypeAlias = str | Annotated[int, Field(ge=0)]
Quoting: TypeAlias = Literal["auto", "rfc", "none", "backslash"]

TableOrQuery = TypeVar("TableOrQuery", "SQLSource", "SparkSource")

EXAMPLE_URL = "postgresql://user@host:5432/database"
WHERE_PASSWORDS_GO = "put the whole URL into $NCF_DATABASE_URL (url_variable) or a Prefect Secret block (secret_block)"
SECRET_KEY = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)
SECRET_PART = re.compile(r"(?:pass|pwd|secret|token)\w*\s*=\s*([^;&]+)", re.IGNORECASE)  # within odbc_connect
READING = ("SELECT", "WITH")
WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "UPSERT", "INTO", "TRUNCATE", "DROP", "ALTER", "CREATE"})


class Columns(Settings):
    """What the log calls its columns: their names, or their positions from 0."""

    user: ColumnName = Field(default="user_id", description="the users")
    item: ColumnName = Field(default="item_id", description="the items")
    rating: ColumnName | None = Field(
        default=None, description="how well liked, or how often; empty: the column rating if there is one, else 1"
    )
    timestamp: ColumnName | None = Field(
        default=None, description="when; empty: the column timestamp if there is one, else no times are known"
    )


class MovieLensSource(Settings):
    """A MovieLens data set by name, downloaded once."""

    kind: Literal["movielens"] = "movielens"
    name: MovieLensName = Field(default="ml-100k", description="the data set's name")


class FileSource(Settings):
    """Files: CSV, TSV, any other separator, RecBole's .inter, JSON Lines, Parquet; here or at an fsspec URL."""

    kind: Literal["files"] = "files"
    path: str = Field(min_length=1, description="a file, a folder, a glob, or an fsspec URL of one of these")
    validation_path: str | None = Field(
        default=None, description="the same for a validation split made elsewhere; `path` is then the train split"
    )
    test_path: str | None = Field(default=None, description="the same for a test split made elsewhere")
    format: Literal["auto", "text", "inter", "json", "parquet"] = Field(
        default="auto", description="auto goes by the name's ending and by what the files are; json: an object a line"
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        description=r"between the columns of text files, such as ',' '\t' '::'; empty: detected from the file",
    )
    header: bool | None = Field(
        default=None,
        description="whether the first line names the columns; empty: yes, but if columns are given by position, only "
        "a line with usual names, such as user_id",
    )
    encoding: str = Field(default="utf-8", description="of text files; a UTF-8 byte order mark is skipped")
    quoting: Quoting = Field(
        default="auto",
        description='auto: a field in double quotes may have separators, newlines, and quotes written twice (""), but '
        "no whole rows, which a stray quote would swallow; rfc: those too; "
        r"backslash: as auto, and a quote may be written \" too; none: a quote is a letter as any other",
    )
    skip_rows: int = Field(default=0, ge=0, description="lines before the header, or the first row, of a log's files")
    comment: str | None = Field(
        default=None,
        pattern=r"^[^\r\n]+$",
        description="how lines begin that are passed over, such as #; empty: none are",
    )
    decimal: Literal[".", ","] = Field(default=".", description="what divides a number's fraction from the rest")
    columns: Columns = Columns()
    ids: IdRules = IdRules()
    where: Where = Field(default={})
    item_separator: str | None = Field(
        default=None,
        min_length=1,
        description="between several items in one cell, such as a playlist's; each becomes a row; empty: a cell is one",
    )
    time_unit: TimeUnit = Field(default="auto", description="auto tells s, ms, us, ns and ISO 8601 by the values")
    time_format: TimeFormat = None
    titles_path: str | None = Field(default=None, description="a file with the items' titles, read in the same way")
    titles_item: ColumnName = Field(
        default="item_id", description="its column with the item ids; the name that the log has for it is accepted too"
    )
    titles_title: ColumnName = Field(default="title", description="its column with the titles")

    @model_validator(mode="after")
    def _format_or_unit(self) -> Self:
        check_times(self.time_unit, self.time_format)
        check_where(self.where, self.columns.rating)
        return self

    @field_validator("separator")
    @classmethod
    def _can_divide(cls, separator: str | None) -> str | None:
        if separator is not None and any(letter in separator for letter in '"\r\n'):
            raise ValueError(f"the separator must not have quotes or newlines, got {separator!r}")
        return None if separator is None else separator.replace(r"\t", "\t")  # as a command line gives it

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            "a".encode(encoding)
        except LookupError as error:
            raise ValueError(
                f"unknown encoding {encoding!r}; Python knows utf-8, latin-1, cp1252, utf-16..."
            ) from error
        return encoding


class PaperSource(Settings):
    """The files of the NCF paper's authors: X.train.rating, X.test.rating, X.test.negative, each also as .gz.

    Their split and their candidates are used as they are.
    """

    kind: Literal["paper"] = "paper"
    prefix: str = Field(min_length=1, description="path of the three files up to .train.rating, such as Data/ml-1m")
    titles_path: str | None = Field(
        default=None, description="a tab-separated file whose header has the columns item and title"
    )


class Database(Settings):
    """Which database, through SQLAlchemy. The password is not a setting: it comes with the URL from outside."""

    url: str | None = Field(default=None, description="SQLAlchemy URL without a password; empty: see the next two")
    url_variable: str = Field(
        default="NCF_DATABASE_URL", description="environment variable with the URL, password included"
    )
    secret_block: str | None = Field(
        default=None, description="name of a Prefect Secret block with the URL, password included"
    )

    @field_validator("url")
    @classmethod
    def _url_without_password(cls, url: str | None) -> str | None:
        check_public_url(url)
        return url


def _check_query(query: str | None) -> str | None:
    if query is not None:
        check_select(query)
    return query


def _one_of_two(source: TableOrQuery) -> TableOrQuery:
    if (source.table is None) == (source.query is None):
        raise ValueError("give either table or query")
    check_times(source.time_unit, source.time_format)
    if isinstance(source, SQLSource):
        check_where(source.where, source.columns.rating)
    return source


class SQLSource(Database):
    """A table or a query of a database."""

    kind: Literal["sql"] = "sql"
    table: str | None = Field(default=None, description="a table, optionally with its schema: schema.table")
    query: str | None = Field(default=None, description="one SELECT that only reads, instead of a table")
    columns: Columns = Columns()
    ids: IdRules = IdRules()
    where: Where = Field(default={})
    time_unit: TimeUnit = Field(default="auto", description="of a column of numbers or text; auto goes by the values")
    time_format: TimeFormat = None
    chunk_rows: int = Field(default=500_000, ge=1, le=100_000_000, description="rows fetched at once")

    _query_only_reads = field_validator("query")(_check_query)
    _table_or_query = model_validator(mode="after")(_one_of_two)


class SparkSource(Settings):
    """A table or a query of Spark's catalogue: what it has of Delta, Iceberg, Hive, JDBC..."""

    kind: Literal["spark"] = "spark"
    table: str | None = Field(default=None, description="a table or view, such as catalog.schema.table")
    query: str | None = Field(
        default=None,
        description="one SELECT that only reads, instead of a table, such as SELECT * FROM orc.`/data/log`",
    )
    columns: Columns = Columns()
    ids: IdRules = IdRules()
    time_unit: TimeUnit = Field(default="auto", description="of a column of numbers or text; auto goes by the values")
    time_format: TimeFormat = None
    where: Where = Field(default={})

    _query_only_reads = field_validator("query")(_check_query)
    _table_or_query = model_validator(mode="after")(_one_of_two)


def _kind(value: Any) -> str | None:
    """The kind of a source that leaves it out, by the keys that only this kind has."""
    given: dict[str, Any] = value if isinstance(value, dict) else dict(value)
    check_public_url(given.get("url"))  # before any message shows what was given
    if "kind" in given:
        return str(given["kind"])
    known = {"path": "files", "prefix": "paper", "table": "sql", "query": "sql", "name": "movielens"}
    return next((kind for key, kind in known.items() if given.get(key) is not None), None)


SourceConfig: TypeAlias = Annotated[
    Annotated[MovieLensSource, Tag("movielens")]
    | Annotated[FileSource, Tag("files")]
    | Annotated[PaperSource, Tag("paper")]
    | Annotated[SQLSource, Tag("sql")]
    | Annotated[SparkSource, Tag("spark")],
    Discriminator(
        _kind,
        custom_error_type="unknown_source",
        custom_error_message="say where the log lies: kind is movielens (name), files (path), paper (prefix), sql "
        "(table or query) or spark (kind, and table or query)",
    ),
]


def check_select(query: str) -> None:
    """Refuse all but one SELECT; this reads the text alone.

    Raises:
        ConfigError: it is another statement, or several. (A ValueError would be printed by pydantic with the settings.)
    """
    import sqlparse
    from sqlparse.tokens import Keyword

    statements = [tokens for tokens in map(_significant, sqlparse.parse(query)) if tokens]
    tokens = statements[0] if statements else []
    first = next((token for token in tokens if token.value != "("), None)
    writing = [token for token in tokens if token.ttype in Keyword and token.normalized.split()[0] in WRITING]
    do = "read with SELECT, or WITH ... SELECT"
    if len(statements) != 1:
        got = f"{len(statements)} statements"
    elif first is None or first.normalized not in READING:
        got = first.value if first else ""
    elif writing:
        got, do = writing[0].value, "leave it out; if it is the name of a column, put it in quotes"
    else:
        return
    raise ConfigError("query must be one SELECT that only reads", got=got, do=do)


def _significant(statement: "Token") -> "list[Token]":
    """The tokens of a statement without white space, comments, and the ; at the end."""
    from sqlparse.tokens import Comment, Whitespace

    flat = statement.flatten()  # type: ignore[no-untyped-call]
    tokens = [token for token in flat if token.ttype not in Whitespace and token.ttype not in Comment]
    while tokens and tokens[-1].value == ";":
        tokens.pop()
    return tokens


def check_public_url(text: object, do: str = WHERE_PASSWORDS_GO) -> None:
    """Refuse a URL with a password; the message says what to do, and repeats nothing of it.

    Raises:
        ConfigError: it has one, or can't be read. (A ValueError would be printed by pydantic with the URL.)
    """
    if isinstance(text, str) and url_secrets(parse_url(text)):
        raise ConfigError(
            "the setting url must not have a password: settings are shown and logged",
            allowed=f"a URL without one, such as {EXAMPLE_URL}",
            do=do,
        )


def parse_url(text: str) -> "URL":
    """Read an SQLAlchemy URL.

    Raises:
        ConfigError: it is none; the message does not repeat it.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise ConfigError(
            "the database's URL can't be read",
            allowed=f"an SQLAlchemy URL such as {EXAMPLE_URL}",
            do="write @ : / ? # % in a password as %40 %3A %2F %3F %23 %25",
        )
    return url


def url_secrets(url: "URL") -> list[str]:
    """The password of a URL, and what its query gives as password, secret or token."""
    given = {key: [value] if isinstance(value, str) else value for key, value in url.query.items()}
    values = [(key, value) for key, several in given.items() for value in several]
    found = [value for key, value in values if SECRET_KEY.search(key)]
    found += [part for _, value in values for part in SECRET_PART.findall(value)]
    return [secret for secret in (str(url.password or ""), *found) if secret]
