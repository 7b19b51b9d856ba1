"""For whom, of which items, and where to: the settings of a batch of recommendations."""

import re
from typing import Annotated, Any, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ncf.config import Settings
from ncf.errors import ConfigError
from ncf.ingest.config import ColumnName, Database, refuse_password

ENDINGS = (".parquet", ".csv", ".csv.gz")
TABLE_NAME = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]{0,49}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}")


class UserChoice(Settings):
    """Who gets recommendations: every user of the champion, unless ids or a file with ids are given."""

    ids: tuple[str | int, ...] | None = Field(
        default=None, min_length=1, description="ids of users, such as 1,2,3; empty: all that the champion has"
    )
    path: str | None = Field(
        default=None, min_length=1, description="a text or Parquet file (or folder, glob, fsspec URL) with ids of users"
    )
    column: ColumnName = Field(default="user_id", description="its column with the ids")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.ids is not None and self.path is not None:
            raise ValueError("give either ids or path")
        return self


class ItemFilters(Settings):
    """Which items may be recommended. All that are set must let an item through."""

    unseen: bool = Field(default=True, description="leave out what a user has seen")
    blocklist: str | None = Field(
        default=None, min_length=1, description="a file with ids of items that no one is to get (column item_id)"
    )
    allowlist: str | None = Field(
        default=None, min_length=1, description="a file with ids of items; no others are recommended (column item_id)"
    )
    column: ColumnName = Field(default="item_id", description="column of blocklist and allowlist with the ids")
    categories: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="only items of one of these, such as Comedy,Drama; needs the next"
    )
    categories_path: str | None = Field(
        default=None, min_length=1, description="a file with the items' categories, one row or several an item"
    )
    categories_item: ColumnName = Field(default="item_id", description="its column with the ids of items")
    categories_column: ColumnName = Field(default="category", description="its column with the categories")
    categories_separator: str = Field(
        default="|", min_length=1, description="between several categories of one row; | as in MovieLens' movies.csv"
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.categories is None) != (self.categories_path is None):
            raise ValueError("categories and categories_path go together")
        return self


class FileOutput(Settings):
    """A file: .parquet, .csv or .csv.gz, here or at an fsspec URL."""

    path: str = Field(min_length=1, description="path or fsspec URL, such as s3://bucket/lists.parquet")

    @field_validator("path")
    @classmethod
    def _known_ending(cls, path: str) -> str:
        if "://" in path and urlsplit(path).password is not None:
            raise ConfigError(
                "output.path must not have a password: settings are shown and logged",
                do="give the file system's credentials in its own way, such as environment variables",
            )
        if not path.lower().endswith(ENDINGS):
            raise ValueError(f"the name must end in one of {', '.join(ENDINGS)}")
        return path


class TableOutput(Database):
    """A table of a PostgreSQL or SQLite database."""

    table: str = Field(description="the table, optionally with its schema: schema.table; it is made or replaced")
    url_variable: str = Field(
        default="NCF_OUTPUT_DATABASE_URL",
        description="environment variable with the URL, password included; not that of the log, which is read alone",
    )
    wait_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="how long to wait for readers of the old table before giving up; it then stays as it was",
    )

    @field_validator("table")
    @classmethod
    def _a_name(cls, table: str) -> str:
        if not TABLE_NAME.fullmatch(table):
            raise ValueError("allowed: letters, digits and _, at most 50, not beginning with a digit; or schema.table")
        return table


def _which(value: Any) -> str | None:
    given: dict[str, Any] = value if isinstance(value, dict) else dict(value)
    refuse_password(given.get("url"))  # before any message shows what was given
    has = [kind for kind, key in (("file", "path"), ("table", "table")) if given.get(key) is not None]
    return has[0] if len(has) == 1 else None


OutputConfig: TypeAlias = Annotated[
    Annotated[FileOutput, Tag("file")] | Annotated[TableOutput, Tag("table")],
    Discriminator(
        _which,
        custom_error_type="unknown_output",
        custom_error_message="say where to: either path (a file) or table (of a database)",
    ),
]
