"""The prepared data set: what models see, with a fingerprint of its content."""

import hashlib
import logging
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.config import RecencyConfig
from ncf.data import ITEM_ID, LIKED, USER_ID, Ids, Indices
from ncf.data.coded import CodedLog
from ncf.data.history import History
from ncf.data.ids import id_bytes
from ncf.data.ratings import NOTHING_READ, Tally
from ncf.data.report import DataReport
from ncf.data.split import Pairs, concat_pairs, no_pairs
from ncf.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holdout:
    """One held-out item for each evaluated user, and the candidates it is ranked with in the sampled protocol.

    Attributes:
        pairs: int64 users and items, one row a user.
        candidates: int64[len(pairs), num_candidates] items the user has in no split, or those that came with the log;
            -1 pads short rows.
    """

    pairs: Pairs
    candidates: Indices

    def __len__(self) -> int:
        return len(self.pairs)


def left_out_of(log: CodedLog) -> pd.DataFrame:
    """The pairs that filters left out of a log though the users have the items: user_id, item_id and liked."""
    none, no = np.empty(0, dtype=np.int32), np.empty(0, dtype=bool)
    users, items = (np.concatenate([none, *(pair[side] for pair in log.left_out)]) for side in (0, 1))
    liked = np.concatenate([no, *(np.full(len(its), counts) for its, _, counts in log.left_out)])
    return pd.DataFrame({USER_ID: log.user_ids[users], ITEM_ID: log.item_ids[items], LIKED: liked})


def nothing_left_out() -> pd.DataFrame:
    """No pairs."""
    ids = np.empty(0, dtype=np.int64)
    return pd.DataFrame({USER_ID: ids, ITEM_ID: ids, LIKED: ids.astype(bool)})


@dataclass(frozen=True)
class PreparedData:
    """Train pairs, holdouts, ids and titles of one data set.

    Attributes:
        name: the data set's name, such as "ml-100k".
        user_ids, item_ids: outside ids; position = index.
        train: pairs sorted by user, then time.
        validation: picks the epoch and the settings; an observed pair counts, however it was rated.
        test: read once per finished model, for the report.
        titles: str[num_items], empty where unknown; not part of the fingerprint, since models do not see them.
        labels: float32[len(train)] in [0, 1], for explicit feedback; None where every label is 1.
        held_out_labels: float32 labels of validation, test and other, one after the other, as `labels`.
        other: observed, but in no split: neither learned nor evaluated, nor offered as unseen.
        left_out: user_id and item_id of the pairs that filters left out, though the users have the items, and liked,
            bool: whether they count as interactions. Models don't see them, serving does; not part of the fingerprint.
        history: when the pairs came; not part of the fingerprint, since models do not see it. None if it is not known.
        tally: what became of the log's rows; not part of the fingerprint, and not kept by `save_prepared`.
    """

    name: str
    user_ids: Ids
    item_ids: Ids
    train: Pairs
    validation: Holdout
    test: Holdout
    titles: NDArray[Any] = field(repr=False)
    labels: NDArray[np.float32] | None = None
    held_out_labels: NDArray[np.float32] | None = None
    other: Pairs = field(default_factory=no_pairs)
    left_out: pd.DataFrame = field(default_factory=nothing_left_out, repr=False)
    history: History | None = field(default=None, repr=False)
    tally: Tally = field(default=NOTHING_READ, repr=False)

    @property
    def num_users(self) -> int:
        """Users of all splits."""
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        """Items of all splits."""
        return len(self.item_ids)

    @cached_property
    def report(self) -> DataReport:
        """What was read, dropped and kept: a notebook shows it as a table, and `report.text()` is for a terminal."""
        return DataReport.of(self, self.tally)

    @cached_property
    def item_counts(self) -> Indices:
        """int64[num_items]: train interactions of each item."""
        return np.bincount(self.train.items, minlength=self.num_items)

    @cached_property
    def user_counts(self) -> Indices:
        """int64[num_users]: train interactions of each user."""
        return np.bincount(self.train.users, minlength=self.num_users)

    @cached_property
    def everything(self) -> Pairs:
        """All observed pairs: what serving calls seen."""
        return concat_pairs((self.train, self.validation.pairs, self.test.pairs, self.other))

    def recency_weights(self, config: RecencyConfig) -> NDArray[np.float32]:
        """Weight of each train pair, float32[len(train)] in [floor, 1]; 1 for a log without times."""
        users = self.train.users
        newer = np.searchsorted(users, users, side="right") - 1 - np.arange(len(users))
        if config.half_life is not None and self.history is not None and not self.history.has_order:
            logger.warning("recency has no effect: %s has no times that say which interactions are new", self.name)
            newer[:] = 0
        weights: NDArray[np.float32] = config.weights(newer).astype(np.float32)
        return weights

    def refitted(self, *, test: bool = False) -> "PreparedData":
        """The validation pairs among the train pairs, and no validation holdout: for a model's last training.

        What the validation had to decide is decided by then, and the newest interactions say most about the next ones.

        Args:
            test: learn everything: the test pairs and those of no split as well. No holdout is left.

        Raises:
            ConfigError: the feedback is explicit, and the labels of the held-out pairs are not known.
        """
        if self.labels is not None and self.held_out_labels is None:
            raise ConfigError(
                "the held-out pairs have no labels to learn from",
                got="explicit feedback",
                do="prepare the data from its log",
            )
        held_out = [self.validation.pairs, *([self.test.pairs, self.other] if test else [])]
        together = concat_pairs((self.train, *held_out))
        order = np.argsort(together.users, kind="stable")  # the held-out pairs are the newest of their users
        labels, later = self.labels, self.held_out_labels
        if labels is not None and later is not None:
            every = np.concatenate([labels, later])
            labels, later = every[: len(together)][order], every[len(together) :]
        return replace(
            self,
            train=Pairs(together.users[order], together.items[order]),
            validation=Holdout(no_pairs(), self.validation.candidates[:0]),
            labels=labels,
            held_out_labels=later,
            test=Holdout(no_pairs(), self.test.candidates[:0]) if test else self.test,
            other=no_pairs() if test else self.other,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of ids, pairs and candidates: the same content gives the same value anywhere."""
        digest = hashlib.sha256()
        for array in (
            id_bytes(self.user_ids),
            id_bytes(self.item_ids),
            *(self.train.users, self.train.items),
            *(self.validation.pairs.users, self.validation.pairs.items, self.validation.candidates),
            *(self.test.pairs.users, self.test.pairs.items, self.test.candidates),
            *(() if self.labels is None else (self.labels,)),
            *(() if self.held_out_labels is None else (self.held_out_labels,)),
            *((self.other.users, self.other.items) if len(self.other) else ()),
        ):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
