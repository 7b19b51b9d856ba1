"""Real processes, killed: the same command goes on, and ends with the same bytes or rows."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncf.serving.bundle import Bundle
from ncf.serving.log import ServingLog
from tests.ncf.serving.batch.outputs import child, expected_rows, finished, lines, output_of, read_table, write
from tests.ncf.serving.bundles import CONFIGS, bundle_of, some_data

pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    bundle_of(some_data(), CONFIGS[2]).save(tmp_path / "bundle")
    return tmp_path / "bundle"


def output(folder: Path, kind: str) -> dict[str, Any]:
    if kind == "table":
        return {"table": "lists", "url": f"sqlite:///{folder / 'lists.db'}"}
    return {"path": str(folder / f"lists.{kind}")}


def content(folder: Path, kind: str) -> Any:
    if kind == "table":
        return read_table(f"sqlite:///{folder / 'lists.db'}", "lists")
    return (folder / f"lists.{kind}").read_bytes()


@pytest.mark.parametrize("kind", ["parquet", "table"])
def test_killed_at_a_block_and_while_writing_the_same_command_goes_on(kind: str, bundle: Path, tmp_path: Path) -> None:
    old = bundle_of(some_data(), seed=5)
    write(old, tmp_path, output_of(**output(tmp_path, kind)))
    before = content(tmp_path, kind)

    def run(step: str) -> Any:
        return child(bundle, tmp_path / "parts", output(tmp_path, kind), step)

    with run("block") as process:
        assert lines(process, 6) == ["before 0 of 25", *["stopped"] * 5]
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert content(tmp_path, kind) == before

    with run("row-block") as process:
        assert lines(process, 5) == ["before 10 of 25", *["stopped"] * 4]
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert content(tmp_path, kind) == before

    with run("none") as process:
        last = finished(process)
        assert process.wait() == 0
    assert last[0] == "before 25 of 25"
    assert json.loads(last[1]) == {"users": 25, "unknown": 0, "folded_in": 0, "rows": 100}

    (tmp_path / "reference").mkdir()
    again = Bundle.load(bundle)
    write(again, tmp_path / "reference", output_of(**output(tmp_path / "reference", kind)), block_rows=8)
    assert content(tmp_path, kind) == content(tmp_path / "reference", kind)
    if kind == "table":
        assert content(tmp_path, kind) == expected_rows(again)


def test_killed_and_given_again_when_the_log_is_a_newer_one_nothing_of_the_old_one_is_used(
    bundle: Path, tmp_path: Path
) -> None:
    where = output(tmp_path, "parquet")
    with child(bundle, tmp_path / "parts", where, "block") as process:
        assert lines(process, 6) == ["before 0 of 25", *["stopped"] * 5]
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert len(list((tmp_path / "parts").rglob("*.parquet"))) >= 5
    ids = some_data().user_ids + np.eye(1, 25, dtype=np.int64)[0]
    newer = replace(Bundle.load(bundle), log=ServingLog.of(replace(some_data(), user_ids=ids)))
    newer.save(bundle)
    with child(bundle, tmp_path / "parts", where, "none") as process:
        last = finished(process)
        assert process.wait() == 0
    assert last[0] == "before 0 of 25"
    assert json.loads(last[1])["unknown"] == 1
    (tmp_path / "reference").mkdir()
    write(newer, tmp_path / "reference", output_of(**output(tmp_path / "reference", "parquet")), block_rows=8)
    assert content(tmp_path, "parquet") == content(tmp_path / "reference", "parquet")
