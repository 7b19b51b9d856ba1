"""The lists, block by block, as files of a folder: what is whole there is not worked out again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ncf.files import new_file
from ncf.serving.batch.lists import Lists
from ncf.serving.recommender import RANK, SCORE

USER, ITEM = "user", "item"
SCHEMA = pa.schema([(USER, pa.int64()), (ITEM, pa.int32()), (RANK, pa.int64()), (SCORE, pa.float32())])


def part_path(folder: Path, block: slice) -> Path:
    """The file of a block."""
    return folder / f"{block.start:012}.parquet"


def is_whole(path: Path) -> bool:
    """Whether a part is there and undamaged."""
    try:
        return bool(read_part(path).schema.equals(SCHEMA))
    except (OSError, ValueError):  # Arrow's errors are one or the other
        return False


def read_part(path: Path) -> Any:
    """An Arrow table: place of the user in the list of users, index of the item, rank, score.

    Raises:
        OSError, ValueError: it is not there, or damaged.
    """
    return parquet.ParquetFile(path, page_checksum_verification=True, memory_map=False).read()


def make_parts(lists: Lists, folder: Path, whole: set[Path], told: Callable[[int], None]) -> None:
    """Work out every block that is not whole yet.

    Args:
        lists: for whom, and how many.
        folder: of the parts; made if it is not there.
        whole: parts that are there already.
        told: is called with the number of users of each block that was worked out.

    Raises:
        ModelError: a score is NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for block in lists.blocks:
        path = part_path(folder, block)
        if path not in whole:
            with new_file(path) as new:
                parquet.write_table(_part(lists, block), new, write_page_checksum=True)
            told(block.stop - block.start)


def _part(lists: Lists, block: slice) -> Any:
    items, scores = lists.recommender.best(lists.users[block], lists.k)
    user, place = np.nonzero(items >= 0)
    columns = [block.start + user, items[user, place], place + 1, scores[user, place]]
    return pa.table(columns, schema=SCHEMA)
