"""What the newest log says about users and items: apart from the weights, so that it can be newer than they are."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ncf.data import ITEM_ID, LIKED, TITLE, USER_ID, Ids, Indices
from ncf.data.ids import decode_ids, encode_ids, id_bytes, kind_of
from ncf.data.prepared import PreparedData
from ncf.data.split import Pairs, concat_pairs
from ncf.errors import ModelError
from ncf.files import check_sums, new_folder, read_json, sum_of_sums, write_json, write_sums
from ncf.sampling.sampler import PairRows

LOG_TAG = "ncf.log"  # of a registered model: its PublishedLog
RETRAIN = "restore MLflow's artifacts, or retrain"
FORMAT = 1
HEADER, USERS, ITEMS, PAIRS = FILES = ("log.json", "users.parquet", "items.parquet", "pairs.parquet")
COUNT, ITEM = "count", "item"


@dataclass(frozen=True)
class ServingLog:
    """Users, items, titles, and the items of each user: nobody is recommended what they have.

    Attributes:
        user_ids, item_ids: outside ids; position = index. First those of the prepared data set, then those that occur
            in left-out pairs alone.
        titles: str[len(item_ids)], empty where unknown.
        items: every item of each user: first those that count as interactions, in the order train, validation, test,
            other, left out by a filter such as `min_per_user`; then the others, such as ratings below the threshold.
        liked: int64[len(user_ids)], how many of a user's items count as interactions.
        num_users, num_items: numbers of the prepared data set.
    """

    user_ids: Ids
    item_ids: Ids
    titles: NDArray[Any]
    items: PairRows
    liked: Tensor
    num_users: int
    num_items: int

    @classmethod
    def of(cls, data: PreparedData) -> Self:
        """The log of a prepared data set."""
        user_ids, left_out_users = _extended(data.user_ids, data.left_out[USER_ID].to_numpy())
        item_ids, left_out_items = _extended(data.item_ids, data.left_out[ITEM_ID].to_numpy())
        titles = np.full(len(item_ids), "", dtype=object)
        titles[: data.num_items] = data.titles
        count = data.left_out[LIKED].to_numpy(bool)
        left_out = [Pairs(left_out_users[rows], left_out_items[rows]) for rows in (count, ~count)]
        interactions = [data.train, data.validation.pairs, data.test.pairs, data.other, left_out[0]]
        items = PairRows.of([*interactions, left_out[1]], len(user_ids))
        liked = torch.from_numpy(np.bincount(concat_pairs(interactions).users, minlength=len(user_ids)))
        return cls(user_ids, item_ids, titles, items, liked, data.num_users, data.num_items)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of everything in it: the same content gives the same value anywhere."""
        digest = hashlib.sha256(f"{FORMAT} {self.num_users} {self.num_items}".encode())
        counts, liked, items = (tensor.numpy() for tensor in (self.items.counts, self.liked, self.items.items))
        lengths = np.array([len(title) for title in self.titles], dtype=np.int64)
        titles = np.frombuffer("".join(self.titles).encode(), dtype=np.uint8)
        for array in (id_bytes(self.user_ids), id_bytes(self.item_ids), counts, liked, items, lengths, titles):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def interactions(self) -> PairRows:
        """The items that count as interactions, of the prepared data set's users and items: its `everything`."""
        counts = self.items.counts[: self.num_users]
        row, items = torch.repeat_interleave(torch.arange(len(counts)), counts), self.items.items[: int(counts.sum())]
        within = torch.arange(len(items)) - self.items.offsets[row]
        kept = (within < self.liked[row]) & (items < self.num_items)
        return PairRows.of_counts(torch.bincount(row[kept], minlength=len(counts)), items[kept])

    def save(self, folder: str | Path) -> None:
        """Write it as a folder, whole or not at all."""
        with new_folder(Path(folder)) as new:
            users = {USER_ID: encode_ids(self.user_ids), COUNT: self.items.counts.numpy(), LIKED: self.liked.numpy()}
            pd.DataFrame(users).to_parquet(new / USERS)
            pd.DataFrame({ITEM_ID: encode_ids(self.item_ids), TITLE: self.titles}).to_parquet(new / ITEMS)
            pd.DataFrame({ITEM: self.items.items.numpy()}).to_parquet(new / PAIRS)  # one user after the other
            kinds = {USER_ID: kind_of(self.user_ids), ITEM_ID: kind_of(self.item_ids)}
            sizes = {"num_users": self.num_users, "num_items": self.num_items}
            write_json(new / HEADER, {"format": FORMAT, "fingerprint": self.fingerprint, **sizes, **kinds})
            write_sums(new)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read it.

        Raises:
            ModelError: a file is missing, was changed (by SHA256SUMS) or does not fit the others.
        """
        folder = Path(folder)
        try:
            return cls._read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{folder} is not a usable serving log", got=str(error), do="restore it from a backup or retrain"
            ) from error

    @classmethod
    def _read(cls, folder: Path) -> Self:
        header = read_json(folder / HEADER)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}, not {FORMAT}")
        check_sums(folder, FILES)
        users, items = pd.read_parquet(folder / USERS), pd.read_parquet(folder / ITEMS)
        counts, liked = (users[name].to_numpy(np.int64, copy=True) for name in (COUNT, LIKED))
        pairs = pd.read_parquet(folder / PAIRS)[ITEM].to_numpy(np.int32, copy=True)
        _check(counts, liked, pairs, len(items))
        num_users, num_items = int(header["num_users"]), int(header["num_items"])
        if not (0 <= num_users <= len(users) and 0 <= num_items <= len(items)):
            raise ValueError(f"it is of {num_users} users and {num_items} items, but has {len(users)} and {len(items)}")
        return cls(
            decode_ids(users[USER_ID], header[USER_ID]),
            decode_ids(items[ITEM_ID], header[ITEM_ID]),
            items[TITLE].to_numpy(dtype=object),
            PairRows.of_counts(torch.from_numpy(counts), torch.from_numpy(pairs)),
            torch.from_numpy(liked),
            num_users,
            num_items,
        )


class PublishedLog(BaseModel):
    """Where the newest log lies.

    Attributes:
        run_id, path: the MLflow run and its artifact.
        fingerprint: of the log.
        sha256: of the artifact's sums; in the registry, where write access to the artifacts can't change it.
        published: UTC.
        last_time: of the newest interaction, microseconds since the epoch; None for a log without times.
        refold: MLflow run of the version for which users whose history has grown are folded in again, since that was
            better on the validation holdout; None: no version.
        before: run and path of the log before, which a service may still be loading.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    path: str
    fingerprint: str
    sha256: str
    published: datetime
    last_time: int | None = None
    refold: str | None = None
    before: tuple[str, str] | None = None

    def refolds(self, run_id: str | None) -> bool:
        """Whether users whose history has grown are folded in again while the version of a run serves."""
        return run_id is not None and self.refold == run_id

    def read(self, folder: str | Path) -> ServingLog:
        """The log in a folder with its files.

        Raises:
            ModelError: files are missing, damaged, or not those that were published.
        """
        called = f"the newest log, published on {self.published:%Y-%m-%d %H:%M} UTC"
        try:
            found = sum_of_sums(Path(folder))
        except OSError as error:
            raise ModelError(f"{called}, can't be read", got=str(error)[:300], do=RETRAIN) from error
        if found != self.sha256:
            raise ModelError(
                f"{called}, is not the one that was published", got=found, allowed=self.sha256, do="retrain"
            )
        return ServingLog.load(folder)


def _extended(ids: Ids, others: Ids) -> tuple[Ids, Indices]:
    """The ids with those of the others that are new at their end, and the index of each of the others."""
    if not len(others):
        return ids, np.empty(0, dtype=np.int64)
    found = pd.Index(ids).get_indexer(pd.Index(others)).astype(np.int64)
    codes, new = pd.factorize(others[found < 0], sort=True)
    found[found < 0] = len(ids) + codes
    return np.concatenate([ids, np.asarray(new, dtype=ids.dtype)]), found


def _check(counts: Indices, liked: Indices, pairs: NDArray[np.int32], num_items: int) -> None:
    """Refuse users' items that fit neither their counts nor the catalogue.

    Raises:
        ValueError: they do not fit.
    """
    if (counts < 0).any() or counts.sum() != len(pairs):
        expected = f"the users have {counts.sum()}, the least of them {counts.min()}"
        raise ValueError(f"{PAIRS} has {len(pairs)} items; {expected}")
    if ((liked < 0) | (liked > counts)).any():
        raise ValueError("a user has more items that count as interactions than items")
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < num_items:
        raise ValueError(f"a seen item is {pairs.min()} or {pairs.max()}, of {num_items}")
