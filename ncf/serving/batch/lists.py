"""Lists for many users: computed block by block, kept as files, and put into rows with ids.

A block that is there and undamaged is not computed again: its folder is named after a hash of everything that
determines the lists.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet
from torch import Tensor

from ncf.data import ITEM_ID, TITLE, USER_ID, Ids
from ncf.data.ids import encode_ids, id_bytes, kind_of
from ncf.errors import DataError
from ncf.files import new_file
from ncf.serving.batch.choose import num_offered
from ncf.serving.config import BLOCK_ROWS
from ncf.serving.recommender import RANK, SCORE, SOURCE, Recommender
from ncf.serving.users import SOURCES

BLOCK_FORMAT = 1
USER, ITEM, VERSION = "user", "item", "model_version"
BLOCK_SCHEMA = pa.schema([(USER, pa.int64()), (ITEM, pa.int32()), (RANK, pa.int64()), (SCORE, pa.float32())])
COLUMNS = (USER_ID, ITEM_ID, RANK, SCORE, SOURCE, VERSION)
CSV_COLUMNS = (USER_ID, RANK, ITEM_ID, TITLE, SCORE, SOURCE, VERSION)  # a CSV file is read by people


@dataclass(frozen=True)
class Lists:
    """The best k items for each of some users.

    Attributes:
        recommender: the model, and what it may recommend.
        user_ids: ids, without repetitions.
        k: items per user.
        block_rows: recommendations that are held in memory at once, but at least those of one user.
    """

    recommender: Recommender
    user_ids: Ids
    k: int
    block_rows: int = BLOCK_ROWS

    def __post_init__(self) -> None:
        if not len(self.user_ids):
            raise DataError("there are no users to recommend to", do="check users.ids or users.path")

    @classmethod
    def of(cls, recommender: Recommender, user_ids: Ids, k: int, block_rows: int = BLOCK_ROWS) -> "Lists":
        """Lists with k reduced to the number of items that may be recommended, if that is less."""
        return cls(recommender, user_ids, min(k, num_offered(recommender)), block_rows)

    @cached_property
    def users(self) -> Tensor:
        """Indices of the users, int64[U]; -1 for one that the model does not know."""
        return self.recommender.users_of(self.user_ids)

    @property
    def blocks(self) -> Iterator[slice]:
        """The users in blocks."""
        size = max(1, self.block_rows // self.k)
        return (slice(start, min(start + size, len(self.users))) for start in range(0, len(self.users), size))

    def key(self) -> str:
        """Hash of all that decides the lists and their blocks."""
        choice = self.recommender.choice
        digest = hashlib.sha256(f"{BLOCK_FORMAT} {self.k} {self.block_rows} {torch.__version__}".encode())
        for array in (*_content(self.recommender), *_hashable(self.user_ids), choice.left_out.numpy()):
            digest.update(str((array.dtype, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).data if array.dtype.kind != "V" else array.tobytes())
        digest.update(str(choice.unseen_only).encode())
        return digest.hexdigest()[:16]

    def compute_block(self, block: slice) -> Any:
        """An Arrow table: position of the user among the users, index of the item, rank, score.

        Raises:
            ModelError: a score is NaN.
        """
        items, scores = self.recommender.best(self.users[block], self.k)
        user, position = np.nonzero(items >= 0)
        columns = [block.start + user, items[user, position], position + 1, scores[user, position]]
        return pa.table(columns, schema=BLOCK_SCHEMA)


def _content(recommender: Recommender) -> Iterator[Any]:
    """Arrays of all that recommendations depend on."""
    bundle, users = recommender.bundle, recommender.users
    for _, weights in sorted(bundle.model.state_dict().items()):
        yield weights.numpy()
    yield from (*_hashable(bundle.user_ids), *_hashable(bundle.item_ids))
    yield from (tensor.numpy() for tensor in (users.seen.counts, users.seen.items, users.liked, users.sources))
    yield from (*_hashable(np.asarray(users.ids)), bundle.learned, bundle.item_counts)
    yield np.frombuffer(json.dumps(bundle.about.get("settings"), sort_keys=True, default=str).encode(), dtype=np.uint8)
    yield np.frombuffer(bundle.config.model_dump_json().encode(), dtype=np.uint8)


def _hashable(ids: Ids) -> tuple[Any, Any]:
    return np.frombuffer(kind_of(ids).encode(), dtype=np.uint8), id_bytes(ids)


def block_path(folder: Path, block: slice) -> Path:
    """The file of a block."""
    return folder / f"{block.start:012}.parquet"


def is_complete(path: Path) -> bool:
    """Whether a block's file is there and undamaged."""
    try:
        return bool(read_block(path).schema.equals(BLOCK_SCHEMA))
    except (OSError, ValueError):  # Arrow's errors are one or the other
        return False


def read_block(path: Path) -> Any:
    """The Arrow table of a block.

    Raises:
        OSError, ValueError: the file is missing or damaged.
    """
    return parquet.ParquetFile(path, page_checksum_verification=True, memory_map=False).read()


def compute_blocks(lists: Lists, folder: Path, complete: set[Path], report: Callable[[int], None]) -> None:
    """Compute every block whose file is not complete yet, and report its number of users.

    Raises:
        ModelError: a score is NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for block in lists.blocks:
        path = block_path(folder, block)
        if path not in complete:
            with new_file(path) as new:
                parquet.write_table(lists.compute_block(block), new, write_page_checksum=True)
            report(block.stop - block.start)


@dataclass(frozen=True)
class Rows:
    """Puts ids, titles and sources in the place of a block's indices.

    Attributes:
        user_ids: Arrow array, by position among the users.
        item_ids, titles: Arrow arrays, by index of the item.
        sources: Arrow array of strings, by position among the users: what the user's list is based on.
        version: of the model.
        columns: names, in order.
    """

    user_ids: Any
    item_ids: Any
    titles: Any
    sources: Any
    version: int
    columns: Sequence[str]

    @classmethod
    def of(cls, lists: Lists, version: int, columns: Sequence[str], *, text_uuids: bool = False) -> "Rows":
        """With the ids of the lists; UUIDs are written as text on request."""
        bundle = lists.recommender.bundle
        return cls(
            arrow_ids(lists.user_ids, text_uuids=text_uuids),
            arrow_ids(bundle.item_ids, text_uuids=text_uuids),
            pa.array(lists.recommender.titles, pa.string()),
            pa.array(np.array(SOURCES)[lists.recommender.sources_of(lists.users).numpy()], pa.string()),
            version,
            columns,
        )

    @property
    def schema(self) -> Any:
        """Names and Arrow types of the columns."""
        types = {USER_ID: self.user_ids.type, ITEM_ID: self.item_ids.type, SCORE: pa.float32()}
        types |= {TITLE: pa.string(), SOURCE: pa.string(), RANK: pa.int64(), VERSION: pa.int64()}
        return pa.schema([(name, types[name]) for name in self.columns])

    def table(self, block: Any) -> Any:
        """The rows of a block, an Arrow table."""
        user, item = (block.column(name).combine_chunks() for name in (USER, ITEM))
        values = {
            USER_ID: self.user_ids.take(user),
            ITEM_ID: self.item_ids.take(item),
            TITLE: self.titles.take(item),
            RANK: block.column(RANK),
            SCORE: block.column(SCORE),
            SOURCE: self.sources.take(user),
            VERSION: pa.repeat(pa.scalar(self.version, pa.int64()), len(block)),
        }
        return pa.table([values[name] for name in self.columns], schema=self.schema)


def arrow_ids(ids: Ids, *, text_uuids: bool) -> Any:
    """Ids as an Arrow array of integers, strings or UUIDs."""
    if kind_of(ids) != "uuid":
        return pa.array(ids, pa.int64() if kind_of(ids) == "int" else pa.string())
    if text_uuids:
        return pa.array([str(value) for value in ids], pa.string())
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(encode_ids(ids), pa.binary(16)))
