"""A PostgreSQL server of the tests' own, in a folder of its own, stopped by its own process."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.processes import free_port

PASSWORD = "s3cr:t/pä@ss%w#rd"  # with every character that a URL has a use for
QUOTED = "s3cr%3At%2Fp%C3%A4%40ss%25w%23rd"  # the same in a URL
SECRETS = (PASSWORD, "s3cr%3At", "s3cr:t", "%40ss%25w", "ss%w#rd")  # and pieces of it, as text and in a URL
ACCOUNT = "postgres"  # the server refuses to run as root
SECONDS = 60.0


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        port: of 127.0.0.1.
    """

    port: int

    def url(self, password: str = QUOTED, user: str = ACCOUNT) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/postgres"

    def run(self, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> list[tuple[Any, ...]]:
        """Run statements, the last one once for each row if there are any. Returns what the last one found."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=ACCOUNT, password=PASSWORD, dbname="postgres", autocommit=True
        ) as connection:
            cursor = connection.cursor()
            for statement in statements if not rows else statements[:-1]:
                cursor.execute(statement.encode())
            if rows:
                cursor.executemany(statements[-1].encode(), rows)
                return []
            return cursor.fetchall() if cursor.description else []


def find_programs() -> Path | None:
    """Folder of initdb and postgres: Debian's, that of pg_config, or that of the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if shutil.which("pg_config"):
        asked = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(asked.stdout.strip()))
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    return next((folder for folder in folders if all((folder / n).is_file() for n in ("initdb", "postgres"))), None)


def as_account() -> dict[str, Any]:
    """Arguments of subprocess: root becomes another account."""
    return {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server on 127.0.0.1 that asks for a password (SCRAM); skips the test where none is installed."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (initdb and postgres are not found)")
    folder = Path(tempfile.mkdtemp(prefix="ncf-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, ACCOUNT, ACCOUNT)
        _initialise(programs, folder)
        with _started(programs, folder) as postgres:
            yield postgres
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(programs: Path, folder: Path) -> None:
    command: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        ACCOUNT,
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    ]
    command += ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **as_account())
    assert done.returncode == 0, done.stderr


@contextmanager
def _started(programs: Path, folder: Path) -> Iterator[Postgres]:
    postgres = Postgres(free_port())
    command: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-p", str(postgres.port), "-F"]
    command += ["-k", folder, "-h", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, start_new_session=True, **as_account())
    try:
        _wait(postgres, server, folder / "log")
        yield postgres
    finally:
        server.send_signal(signal.SIGINT)  # "fast": it does not wait for its clients
        try:
            server.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(postgres: Postgres, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            postgres.run("SELECT 1")
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"PostgreSQL does not answer; its log:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
