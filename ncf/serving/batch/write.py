"""The whole way: from lists to a file or a table. Interrupted anywhere, the same call goes on from the last block."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock
from pyarrow import parquet

from ncf.serving.batch.config import FileOutput, OutputConfig
from ncf.serving.batch.files import FileTarget
from ncf.serving.batch.lists import Lists
from ncf.serving.batch.rows import Rows, is_whole, make_parts, part_path, read_part
from ncf.serving.batch.tables import TableTarget

Target: TypeAlias = FileTarget | TableTarget
Progress: TypeAlias = Callable[[int, int], AbstractContextManager[Callable[[int], None]]]

DAYS_KEPT = 7  # parts of a run that no one took up again

log = logging.getLogger(__name__)


def target_of(output: OutputConfig, database_url: str | None = None) -> Target:
    """Where the rows go; nothing is opened yet.

    Raises:
        ConfigError, DataError: the place is unknown, or what it takes to reach it is missing.
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
        target: where to.
        folder: keeps the finished blocks until all is written; shared by all runs, such as a folder of the cache.
        progress: called with the number of users and of those done before; its context gives what is called with the
            number of users of each finished block.

    Returns:
        Numbers of "users", of those "unknown" to the model, and of "rows" written.

    Raises:
        ConfigError: the target can't be written; found before any work.
        DataError: writing failed.
        ModelError: a score is NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = FileLock(folder / f"{hashlib.sha256(str(target).encode()).hexdigest()[:16]}.lock")
    with place:  # two runs that write to one place take turns
        target.check(lists)
    parts = folder / lists.key()
    parts.mkdir(parents=True, exist_ok=True)
    _forget(folder)
    with FileLock(folder / f"{parts.name}.lock"):  # a second run of the same lists waits
        paths = [part_path(parts, block) for block in lists.blocks]
        whole = {path for path in paths if is_whole(path)}
        before = sum(b.stop - b.start for b, path in zip(lists.blocks, paths, strict=True) if path in whole)
        if before:
            log.info("%s of %s users are done already: going on from there", f"{before:,}", f"{len(lists.users):,}")
        with progress(len(lists.users), before) as told:
            make_parts(lists, parts, whole, told)
        rows = Rows.of(lists, version, target.columns, text_uuids=target.text_uuids)
        with place:
            target.write(rows, (read_part(path) for path in paths))
        written = sum(parquet.read_metadata(path).num_rows for path in paths)
        shutil.rmtree(parts, ignore_errors=True)
    return {"users": len(lists.users), "unknown": int((lists.users < 0).sum()), "rows": written}


def _forget(folder: Path) -> None:
    """Remove parts and locks that have not been touched for long."""
    oldest = time.time() - DAYS_KEPT * 86_400
    for path in folder.iterdir():
        if path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
