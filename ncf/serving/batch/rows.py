"""The lists, block by block, as files of a folder: what is whole there is not worked out again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ncf.data.columns import ITEM_ID, TITLE, USER_ID, Ids
from ncf.data.ids import encode_ids, kind_of
from ncf.files import new_file
from ncf.serving.batch.lists import Lists
from ncf.serving.recommender import FROM_MODEL, FROM_POPULARITY, RANK, SCORE, SOURCE, learned_of

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


VERSION = "model_version"
COLUMNS = (USER_ID, ITEM_ID, RANK, SCORE, SOURCE, VERSION)
TITLED = (USER_ID, RANK, ITEM_ID, TITLE, SCORE, SOURCE, VERSION)  # of a CSV file, which people read


@dataclass(frozen=True)
class Rows:
    """What is put in the place of indices.

    Attributes:
        user_ids: Arrow array, by place in the list of users.
        item_ids, titles: Arrow arrays, by index of the item.
        learned: bool Arrow array, by place in the list of users: whether the model knows the user.
        version: of the model.
        columns: names, in the order wanted.
    """

    user_ids: Any
    item_ids: Any
    titles: Any
    learned: Any
    version: int
    columns: Sequence[str]

    @classmethod
    def of(cls, lists: Lists, version: int, columns: Sequence[str], *, text_uuids: bool = False) -> "Rows":
        """From the lists' ids; UUIDs as such, or as text for what has no UUIDs."""
        bundle = lists.recommender.bundle
        return cls(
            arrow_ids(lists.user_ids, text_uuids=text_uuids),
            arrow_ids(bundle.item_ids, text_uuids=text_uuids),
            pa.array(bundle.titles, pa.string()),
            pa.array(learned_of(bundle, lists.users).numpy()),
            version,
            columns,
        )

    @property
    def schema(self) -> Any:
        """Names and Arrow types of the columns."""
        types = {
            USER_ID: self.user_ids.type,
            ITEM_ID: self.item_ids.type,
            TITLE: pa.string(),
            RANK: pa.int64(),
            SCORE: pa.float32(),
            SOURCE: pa.string(),
            VERSION: pa.int64(),
        }
        return pa.schema([(name, types[name]) for name in self.columns])

    def table(self, part: Any) -> Any:
        """The rows of a part, an Arrow table."""
        user, item = (part.column(name).combine_chunks() for name in (USER, ITEM))
        values = {
            USER_ID: self.user_ids.take(user),
            ITEM_ID: self.item_ids.take(item),
            TITLE: self.titles.take(item),
            RANK: part.column(RANK),
            SCORE: part.column(SCORE),
            SOURCE: pc.if_else(self.learned.take(user), FROM_MODEL, FROM_POPULARITY),
            VERSION: pa.repeat(pa.scalar(self.version, pa.int64()), len(part)),
        }
        return pa.table([values[name] for name in self.columns], schema=self.schema)


def arrow_ids(ids: Ids, *, text_uuids: bool) -> Any:
    """Ids as an Arrow array of integers, strings or UUIDs."""
    if kind_of(ids) != "uuid":
        return pa.array(ids, pa.int64() if kind_of(ids) == "int" else pa.string())
    if text_uuids:
        return pa.array([str(value) for value in ids], pa.string())
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(encode_ids(ids), pa.binary(16)))
