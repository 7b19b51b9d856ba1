"""Settings of serving: of a batch, which users, which items, and where the lists are written; of HTTP, the limits."""

import re
from typing import Annotated, Any, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ncf.config import Settings
from ncf.errors import ConfigError
from ncf.hardware import available_cores
from ncf.ingest.config import ColumnName, Database, check_public_url

BLOCK_ROWS = 200_000  # of lists that are made and written at once
ENDINGS = (".parquet", ".csv", ".csv.gz")
TABLE_NAME = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]{0,49}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}")


class UserChoice(Settings):
    """Who gets recommendations: all users of the champion, unless ids or a file with ids are given."""

    ids: tuple[str | int, ...] | None = Field(
        default=None, min_length=1, description="user ids, such as 1,2,3; empty: all users of the champion"
    )
    path: str | None = Field(
        default=None, min_length=1, description="text or Parquet file (or folder, glob, fsspec URL) with user ids"
    )
    column: ColumnName = Field(default="user_id", description="the file's column with the user ids")
    allow_unknown: bool = Field(
        default=False,
        description="take a list of which fewer than half of the users are known; unknown ones get popular items",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.ids is not None and self.path is not None:
            raise ValueError("give either ids or path")
        return self


class ItemFilters(Settings):
    """Which items may be recommended. An item must pass all filters that are set."""

    unseen: bool = Field(default=True, description="leave out the items that a user has seen")
    blocklist: str | None = Field(
        default=None, min_length=1, description="file with ids of items that are never recommended"
    )
    allowlist: str | None = Field(
        default=None, min_length=1, description="file with the ids of the only items that may be recommended"
    )
    column: ColumnName = Field(
        default="item_id", description="column of the blocklist and the allowlist with the item ids"
    )
    categories: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="recommend only items of these categories, such as Comedy,Drama; needs categories_path",
    )
    categories_path: str | None = Field(
        default=None, min_length=1, description="file with the categories of items, one or several rows per item"
    )
    categories_item: ColumnName = Field(default="item_id", description="column of categories_path with the item ids")
    categories_column: ColumnName = Field(
        default="category", description="column of categories_path with the categories"
    )
    categories_separator: str = Field(
        default="|",
        min_length=1,
        description="separator of several categories in one row; the default is that of MovieLens' movies.csv",
    )
    allow_unknown: bool = Field(
        default=False,
        description="take lists of which fewer than half of the ids are known, and categories that no item has",
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.categories is None) != (self.categories_path is None):
            raise ValueError("categories and categories_path go together")
        return self


class FileOutput(Settings):
    """A local file or an fsspec URL: .parquet, .csv or .csv.gz."""

    path: str = Field(min_length=1, description="path or fsspec URL, such as s3://bucket/lists.parquet")

    @field_validator("path")
    @classmethod
    def _known_ending(cls, path: str) -> str:
        if "://" in path and urlsplit(path).password is not None:
            raise ConfigError(
                "output.path must not have a password, because settings are shown and logged",
                do="pass credentials in the file system's own way, such as environment variables",
            )
        if not path.lower().endswith(ENDINGS):
            raise ValueError(f"the name must end in one of {', '.join(ENDINGS)}")
        return path


class TableOutput(Database):
    """A table of a PostgreSQL or SQLite database."""

    table: str = Field(description="table, or schema.table; it is created, or replaced")
    url_variable: str = Field(
        default="NCF_OUTPUT_DATABASE_URL",
        description="environment variable with the URL, password included; not the one of the log, which is only read",
    )
    wait_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="seconds to wait for readers of the old table; then the run fails and the table stays",
    )

    @field_validator("table")
    @classmethod
    def _a_name(cls, table: str) -> str:
        if not TABLE_NAME.fullmatch(table):
            raise ValueError("allowed: letters, digits and _, at most 50, not beginning with a digit; or schema.table")
        return table


def _which(value: Any) -> str | None:
    given: dict[str, Any] = value if isinstance(value, dict) else dict(value)
    check_public_url(given.get("url"))  # before any message shows the URL
    has = [kind for kind, key in (("file", "path"), ("table", "table")) if given.get(key) is not None]
    return has[0] if len(has) == 1 else None


OutputConfig: TypeAlias = Annotated[
    Annotated[FileOutput, Tag("file")] | Annotated[TableOutput, Tag("table")],
    Discriminator(
        _which,
        custom_error_type="unknown_output",
        custom_error_message="give either path (a file) or table (of a database)",
    ),
]


class Limits(Settings):
    """Limits on the size and number of HTTP requests."""

    max_k: int = Field(
        default=100, ge=1, le=10_000, description="most items of one answer; longer lists are for the batch"
    )
    max_items: int = Field(
        default=1_000, ge=1, le=100_000, description="most item_ids of a request; a user's recent history is shorter"
    )
    max_body_bytes: int = Field(
        default=65_536, ge=256, le=2**26, description="maximum size of a request's body; 1,000 UUIDs take 40,000 bytes"
    )
    body_seconds: float = Field(
        default=5.0, gt=0.0, le=600.0, description="seconds within which a request's body must arrive"
    )
    requests_per_second: float = Field(
        default=1_000.0,
        gt=0.0,
        le=1e9,
        description="requests per second of one client, identified by its address; the requests of one second may come "
        "at once. The default is more than one core answers, so it only stops floods",
    )
    most_waiting: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="requests in progress or waiting at the same time; any more are refused, so that none waits long",
    )
    workers: int = Field(
        default_factory=available_cores,
        ge=1,
        le=1024,
        description="threads that score, one request each; empty: one per core",
    )
