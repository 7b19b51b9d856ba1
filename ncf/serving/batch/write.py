"""Compute lists and write them to a file or a table. An interrupted run continues from the last finished block."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

import numpy as np
from filelock import FileLock
from pyarrow import parquet

from ncf.serving.batch.files import FileTarget
from ncf.serving.batch.lists import Lists, Rows, block_path, compute_blocks, is_complete, read_block
from ncf.serving.batch.tables import TableTarget
from ncf.serving.config import FileOutput, OutputConfig
from ncf.serving.users import SOURCES

Target: TypeAlias = FileTarget | TableTarget
Progress: TypeAlias = Callable[[int, int], AbstractContextManager[Callable[[int], None]]]

DAYS_KEPT = 7  # blocks of a run that nobody continued

log = logging.getLogger(__name__)


def target_of(output: OutputConfig, database_url: str | None = None) -> Target:
    """The file or table of the settings; nothing is opened yet.

    Raises:
        ConfigError, DataError: the location is unknown, or what it takes to reach it is missing.
    """
    return FileTarget.of(output) if isinstance(output, FileOutput) else TableTarget.of(output, database_url)


def no_progress(total: int, before: int) -> AbstractContextManager[Callable[[int], None]]:
    """Shows nothing."""
    return nullcontext(lambda users: None)


def write_lists(
    lists: Lists, version: int, target: Target, folder: Path, progress: Progress = no_progress
) -> dict[str, int]:
    """Compute the lists and write them, whole or not at all.

    Args:
        lists: for whom, and how many.
        version: of the model, for the column model_version.
        target: the file or table.
        folder: holds finished blocks until everything is written; all runs may share it.
        progress: called with the number of users, and of those that were done before; its context gives a function that
            is called with the number of users of each finished block.

    Returns:
        Numbers of "users", of those "unknown" (who get popular items) and "folded_in", and of "rows" written.

    Raises:
        ConfigError: the target can't be written; this is found before any work.
        DataError: writing failed.
        ModelError: a score is NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target_lock = FileLock(folder / f"{hashlib.sha256(str(target).encode()).hexdigest()[:16]}.lock")
    with target_lock:  # runs that write to the same target take turns
        target.check(lists)
    blocks = folder / lists.key()
    blocks.mkdir(parents=True, exist_ok=True)
    _remove_old(folder)
    with FileLock(folder / f"{blocks.name}.lock"):  # a second run of the same lists waits
        paths = {block_path(blocks, block): block.stop - block.start for block in lists.blocks}
        complete = {path for path in paths if is_complete(path)}
        before = sum(users for path, users in paths.items() if path in complete)
        if before:
            log.info("%s of %s users are done already: continuing from there", f"{before:,}", f"{len(lists.users):,}")
        with progress(len(lists.users), before) as report:
            compute_blocks(lists, blocks, complete, report)
        rows = Rows.of(lists, version, target.columns, text_uuids=target.text_uuids)
        with target_lock:
            target.write(rows, (read_block(path) for path in paths))
        written = sum(parquet.read_metadata(path).num_rows for path in paths)
        shutil.rmtree(blocks, ignore_errors=True)
    _, folded_in, unknown = np.bincount(lists.recommender.sources_of(lists.users), minlength=len(SOURCES)).tolist()
    return {"users": len(lists.users), "unknown": unknown, "folded_in": folded_in, "rows": written}


def _remove_old(folder: Path) -> None:
    """Remove blocks and locks that have not been touched for long."""
    oldest = time.time() - DAYS_KEPT * 86_400
    for path in folder.iterdir():
        if path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
