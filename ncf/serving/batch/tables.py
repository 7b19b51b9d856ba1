"""The rows as a table of a database: filled beside the old table, which it replaces in one transaction."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event, inspect, text
from sqlalchemy.exc import OperationalError

from ncf.data import ITEM_ID, USER_ID
from ncf.data.ids import IdKind, kind_of
from ncf.errors import ConfigError
from ncf.ingest.config import Database
from ncf.ingest.database import database_location, find_url, guarded, open_engine
from ncf.serving.batch.lists import COLUMNS, VERSION, Lists, Rows
from ncf.serving.config import TableOutput
from ncf.serving.recommender import RANK, SCORE, SOURCE

SWAPPING = ("postgresql", "sqlite")
NEW = "__ncf_new"
INSERTED_ROWS = 20_000  # in one transaction: SQLite's readers wait for its end
TRY_SECONDS = 2  # PostgreSQL lets no new reader in while we wait for the old ones, so we don't wait long at a time


@dataclass(frozen=True)
class TableTarget:
    """A table that is replaced whole or not at all.

    Attributes:
        engine: of the database; nothing is connected yet.
        schema, name: of the table; None is the database's default schema.
        wait_seconds: for readers of the old table.
    """

    engine: Engine
    schema: str | None
    name: str
    wait_seconds: int

    @classmethod
    def of(cls, output: TableOutput, database_url: str | None = None) -> "TableTarget":
        """From the settings; the URL is the one given, the environment's or the settings'.

        Raises:
            ConfigError: the URL is missing or wrong, its driver is not installed, or it is of another kind of database.
        """
        url = find_url(Database(**output.model_dump(include=set(Database.model_fields))), database_url)
        kind = url.get_backend_name()
        if kind not in SWAPPING or (kind == "sqlite" and url.database in (None, "", ":memory:")):
            raise ConfigError(
                "a table can't be replaced in one transaction in this database",
                got=kind if kind not in SWAPPING else "SQLite in memory",
                allowed="PostgreSQL, or a SQLite file",
                do="write a file, and load that into the database",
            )
        schema, _, name = output.table.rpartition(".")
        if schema and kind == "sqlite":
            raise ConfigError("SQLite has no schemas", got=output.table, allowed=f"a name alone, such as {name}")
        engine = open_engine(url, may_make=True)
        if kind == "sqlite":
            _use_real_transactions(engine, output.wait_seconds)
        return cls(engine, schema or None, name, output.wait_seconds)

    def __str__(self) -> str:
        return (
            f"the table {f'{self.schema}.' if self.schema else ''}{self.name} of {database_location(self.engine.url)}"
        )

    @property
    def text_uuids(self) -> bool:
        """Whether UUIDs are written as text."""
        return self.engine.dialect.name == "sqlite"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return COLUMNS

    def check(self, lists: Lists) -> None:
        """Create the new table, empty, and remove it again.

        Raises:
            DataError: the database can't be reached, or refuses.
            ConfigError: there is another table, or a view, of the name.
        """
        do = "check host, port, database, user and password in the URL, that the server runs, and the user's rights"
        guarded(lambda: self._try(lists), self.engine.url, f"{self} can't be written", do)

    def write(self, rows: Rows, blocks: Iterable[Any]) -> None:
        """Fill the new table, and only then replace the old one.

        Raises:
            DataError: the database refuses, or readers hold the old table for too long; the old table is unchanged.
        """
        kinds = _kind(rows.user_ids.type), _kind(rows.item_ids.type)
        do = "repair the output, and run the same command: it continues from there"
        guarded(lambda: self._write(rows, blocks, kinds), self.engine.url, f"{self} could not be written", do)

    def _try(self, lists: Lists) -> None:
        with self._alone() as connection:
            self._check_old(connection)
            kinds = kind_of(lists.user_ids), kind_of(lists.recommender.bundle.item_ids)
            with connection.begin():
                self._create(connection, *kinds).drop(connection)

    def _write(self, rows: Rows, blocks: Iterable[Any], kinds: tuple[IdKind, IdKind]) -> None:
        with self._alone() as connection:
            self._check_old(connection)
            with connection.begin():
                table = self._create(connection, *kinds)
            for block in blocks:
                for batch in rows.table(block).to_batches(max_chunksize=INSERTED_ROWS):
                    with connection.begin():
                        connection.execute(table.insert(), batch.to_pylist())
            self._swap(connection, table)

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        """A connection beside which no other run writes this table, on PostgreSQL not even from another machine."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                with connection.begin():
                    connection.execute(text(f"SET lock_timeout = '{self.wait_seconds}s'"))
                    key = {"name": f"ncf {self.schema or self._default_schema(connection)}.{self.name}"}
                    connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), key)
            yield connection

    def _default_schema(self, connection: Connection) -> str:
        return str(inspect(connection).default_schema_name)

    def _check_old(self, connection: Connection) -> None:
        with connection.begin():
            found = inspect(connection)
            if self.name in found.get_view_names(self.schema):
                raise ConfigError(f"{self} is a view", do="choose another name, or remove the view")
            if not found.has_table(self.name, self.schema):
                return
            columns = {str(column["name"]) for column in found.get_columns(self.name, self.schema)}
            views = self._views(connection)
        if columns != set(COLUMNS):
            raise ConfigError(
                f"{self} exists already, and does not contain recommendations",
                got=sorted(columns),
                allowed=", ".join(COLUMNS),
                do="choose another name, or remove that table",
            )
        if views:
            do = "remove them, or let them read a table of your own that you fill from this one"
            raise ConfigError(f"{self} can't be replaced: views depend on it", got=views, do=do)

    def _views(self, connection: Connection) -> list[str]:
        """Views that depend on the old table itself; SQLite's go by its name."""
        if self.engine.dialect.name != "postgresql":
            return []
        found = connection.execute(
            text(
                "SELECT DISTINCT view_schema || '.' || view_name FROM information_schema.view_table_usage "
                "WHERE table_schema = :schema AND table_name = :name ORDER BY 1"
            ),
            {"schema": self.schema or self._default_schema(connection), "name": self.name},
        )
        return [str(name) for (name,) in found]

    def _create(self, connection: Connection, user_kind: IdKind, item_kind: IdKind) -> sa.Table:
        """Create the new table, empty; one that an interrupted run left is removed first."""
        table = sa.Table(
            self.name + NEW,
            sa.MetaData(),
            sa.Column(USER_ID, _type(user_kind, self.text_uuids), primary_key=True, autoincrement=False),
            sa.Column(ITEM_ID, _type(item_kind, self.text_uuids), nullable=False),
            sa.Column(RANK, sa.Integer, primary_key=True, autoincrement=False),
            sa.Column(SCORE, sa.REAL, nullable=False),
            sa.Column(SOURCE, sa.Text, nullable=False),
            sa.Column(VERSION, sa.Integer, nullable=False),
            schema=self.schema,
        )
        table.drop(connection, checkfirst=True)
        table.create(connection)
        return table

    def _swap(self, connection: Connection, table: sa.Table) -> None:
        """Replace the old table, with its grants, in one transaction, once its readers have finished."""
        end = time.monotonic() + self.wait_seconds
        while True:
            try:
                with connection.begin():
                    self._replace(connection, table)
                return
            except OperationalError as error:
                if not _is_held(error) or time.monotonic() > end:
                    raise
                time.sleep(TRY_SECONDS / 4)

    def _replace(self, connection: Connection, table: sa.Table) -> None:
        old = sa.Table(self.name, sa.MetaData(), schema=self.schema)
        quote = connection.dialect.identifier_preparer
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{TRY_SECONDS}s'"))
            for grant in self._grants(connection, quote.format_table(table)):
                connection.execute(text(grant))
        old.drop(connection, checkfirst=True)
        connection.execute(text(f"ALTER TABLE {quote.format_table(table)} RENAME TO {quote.quote(self.name)}"))

    def _grants(self, connection: Connection, new: str) -> list[str]:
        """Statements that give the roles that may use the old table the same rights to the new one."""
        found = connection.execute(
            text(
                "SELECT grantee, privilege_type FROM information_schema.table_privileges "
                "WHERE table_schema = :schema AND table_name = :name AND grantee <> current_user"
            ),
            {"schema": self.schema or self._default_schema(connection), "name": self.name},
        )
        quote = connection.dialect.identifier_preparer.quote
        return [f"GRANT {right} ON {new} TO {'PUBLIC' if who == 'PUBLIC' else quote(str(who))}" for who, right in found]


def _use_real_transactions(engine: Engine, wait_seconds: int) -> None:
    """Let a transaction of SQLite cover tables made and renamed, which Python's driver by itself does not."""

    @event.listens_for(engine, "connect")
    def plain(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {1000 * wait_seconds}")
        connection.execute("PRAGMA legacy_alter_table = ON")  # else a view of the table would forbid its swap

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_held(error: OperationalError) -> bool:
    """Whether PostgreSQL says that a lock was not available in time; psycopg and psycopg2 name the code otherwise."""
    return "55P03" in (getattr(error.orig, "sqlstate", None), getattr(error.orig, "pgcode", None))


def _type(kind: IdKind, text_uuids: bool) -> Any:
    if kind == "uuid" and not text_uuids:
        return sa.Uuid()
    return sa.BigInteger() if kind == "int" else sa.Text()


def _kind(arrow_type: Any) -> IdKind:
    name = str(arrow_type)
    return "int" if name == "int64" else "str" if name == "string" else "uuid"
