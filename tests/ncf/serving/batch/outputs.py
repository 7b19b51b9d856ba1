"""Batches of the small bundles, and what is in the places that they are written to."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from ncf.serving.batch.lists import Lists
from ncf.serving.batch.write import target_of, write_lists
from ncf.serving.bundle import Bundle
from ncf.serving.config import OutputConfig
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Recommender
from tests.e2e.processes import REPOSITORY, environment
from tests.ncf.serving.batch.stepwise_writer import VERSION, K
from tests.ncf.serving.batch.table_poller import bits

NAMES = ["user_id", "item_id", "rank", "score", "source", "model_version"]


def output_of(**values: Any) -> OutputConfig:
    return TypeAdapter(OutputConfig).validate_python(values)


def write(
    bundle: Bundle,
    folder: Path,
    output: OutputConfig,
    users: Any = None,
    block_rows: int = 24,
    k: int = K,
    log: ServingLog | None = None,
) -> dict[str, int]:
    lists = Lists.of(Recommender(bundle, log), bundle.user_ids if users is None else users, k, block_rows)
    return write_lists(lists, VERSION, target_of(output), folder / "parts")


def expected_rows(
    bundle: Bundle, users: Any = None, k: int = K, version: int = VERSION, log: ServingLog | None = None
) -> list[tuple[Any, ...]]:
    frame = Recommender(bundle, log).recommend(list(bundle.user_ids if users is None else users), k)
    return [(*row, version) for row in frame.itertuples(index=False, name=None)]


def read_table(url: str, table: str) -> list[tuple[Any, ...]]:
    """All rows, by user and rank."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text(f"SELECT {', '.join(NAMES)} FROM {table} ORDER BY 1, 3"))
        return [(*row[:3], bits(row[3]), *row[4:]) for row in found]


@contextmanager
def child(bundle: Path, parts: Path, output: dict[str, Any], step: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.ncf.serving.batch.stepwise_writer"]
    command += [str(bundle), str(parts), json.dumps(output), step]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(parts), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: "subprocess.Popen[str]", number: int) -> list[str]:
    """The next lines that a child prints; between two of them it is told to go on."""
    assert process.stdout is not None
    assert process.stdin is not None
    found = []
    for _ in range(number):
        line = process.stdout.readline().strip()
        found.append(line)
        if line == "stopped" and len(found) < number:
            process.stdin.write("\n")
            process.stdin.flush()
    return found


def finished(process: "subprocess.Popen[str]") -> Sequence[str]:
    """All that a child prints that need not be told to go on."""
    assert process.stdout is not None
    with closing(process.stdout):
        return process.stdout.read().splitlines()
