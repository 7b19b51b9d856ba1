"""What is to be recommended to whom, cut into blocks of users, and the key by which equal work is known again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ncf.data.columns import Ids
from ncf.data.ids import id_bytes, kind_of
from ncf.errors import DataError
from ncf.serving.batch.choose import left_over
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender

PART_FORMAT = 1
BLOCK_ROWS = 200_000


@dataclass(frozen=True)
class Lists:
    """The best k items of each of some users.

    Attributes:
        recommender: the model, and what it may recommend.
        user_ids: outside ids, each once.
        k: items per user.
        block_rows: recommendations that are held in memory at once, at the least one user's.
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
        return cls(recommender, user_ids, min(k, left_over(recommender)), block_rows)

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
        """Hash of all that decides the lists, and how they are cut."""
        choice = self.recommender.choice
        digest = hashlib.sha256(f"{PART_FORMAT} {self.k} {self.block_rows} {torch.__version__}".encode())
        for part in (*_content(self.recommender.bundle), *_ids(self.user_ids), choice.left_out.numpy()):
            digest.update(str((part.dtype, part.shape)).encode())
            digest.update(np.ascontiguousarray(part).data if part.dtype.kind != "V" else part.tobytes())
        digest.update(str(choice.unseen_only).encode())
        return digest.hexdigest()[:16]


def _content(bundle: Bundle) -> Iterator[Any]:
    """Arrays of all that a bundle's recommendations depend on."""
    for _, weights in sorted(bundle.model.state_dict().items()):
        yield weights.numpy()
    yield from (*_ids(bundle.user_ids), *_ids(bundle.item_ids))
    yield from (bundle.seen.counts.numpy(), bundle.seen.items.numpy(), bundle.learned, bundle.item_counts)
    yield np.frombuffer(bundle.config.model_dump_json().encode(), dtype=np.uint8)


def _ids(ids: Ids) -> tuple[Any, Any]:
    return np.frombuffer(kind_of(ids).encode(), dtype=np.uint8), id_bytes(ids)
