"""Ranks of the held-out items, exact and for all users at once: full ranking, and the paper's 1 + 99 protocol."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from ncf.data.interactions import Indices
from ncf.data.prepared import PreparedData
from ncf.data.rows import PairRows
from ncf.evaluation.metrics import CUTOFFS, METRICS, Mean, Values, mean_with_interval, rank_of

SplitName: TypeAlias = Literal["validation", "test"]

CUTOFF = 10
MAX_SCORES = 4_000_000  # scores held at once: 16 MB, and for an MLP a few times that in hidden units


class Scorer(Protocol):
    """Anything that can score the whole catalogue for some users."""

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]; higher is better."""
        ...


@dataclass(frozen=True)
class Ranks:
    """Rank of each evaluated user's held-out item, from 1: int64[U], in the holdout's order.

    Attributes:
        full: among every item that the user has not in train (nor, for the test, in validation).
        sampled: among the user's candidates.
    """

    full: Indices
    sampled: Indices

    def values(self, k: int = CUTOFF) -> dict[str, Values]:
        """Per-user values of the metrics that steer a training, under their keys, such as "full/ndcg_at_10"."""
        return self.every((k,), ("hr", "ndcg"))

    def every(self, cutoffs: Sequence[int] = CUTOFFS, metrics: Sequence[str] = tuple(METRICS)) -> dict[str, Values]:
        """Per-user values of several metrics at several cut-offs, under their keys."""
        return {
            f"{protocol}/{metric}_at_{k}": METRICS[metric](ranks, k)
            for protocol, ranks in (("full", self.full), ("sampled", self.sampled))
            for metric in metrics
            for k in cutoffs
        }

    def summary(self, k: int = CUTOFF) -> dict[str, Mean]:
        """Mean and interval over the users under the same keys."""
        return {key: mean_with_interval(values) for key, values in self.values(k).items()}


class HoldoutRanker:
    """Ranks held-out items under any scorer; the data lies on one device, ready for many evaluations.

    Args:
        data: the prepared data set.
        split: which holdout.
        device: where the scorer's tensors are.
    """

    def __init__(self, data: PreparedData, split: SplitName, device: torch.device | str = "cpu") -> None:
        holdout = data.validation if split == "validation" else data.test
        known = [data.train] if split == "validation" else [data.train, data.validation.pairs]
        self.users = torch.as_tensor(holdout.pairs.users, device=device)
        self.items = torch.as_tensor(holdout.pairs.items, device=device)
        self.candidates = torch.as_tensor(holdout.candidates, device=device)
        self.excluded = PairRows.of(known, data.num_users, device)
        self.rows_at_once = max(1, MAX_SCORES // data.num_items)

    def __len__(self) -> int:
        return -(-len(self.users) // self.rows_at_once)

    def __iter__(self) -> Iterator[slice]:
        """The holdout's rows in parts small enough to score at once."""
        return (slice(start, start + self.rows_at_once) for start in range(0, len(self.users), self.rows_at_once))

    def parts(self, rank: int, world_size: int) -> list[slice]:
        """The rows of one of several processes, in parts small enough to score at once; one part at least."""
        start, stop = (len(self.users) * number // world_size for number in (rank, rank + 1))
        starts = range(start, max(stop, start + 1), self.rows_at_once)
        return [slice(first, min(first + self.rows_at_once, stop)) for first in starts]

    def rank(self, scorer: Scorer, rows: slice) -> tuple[Tensor, Tensor]:
        """Ranks of some rows: (full int64[B], sampled int64[B]).

        Raises:
            ModelError: a score is NaN.
        """
        users, items, candidates = self.users[rows], self.items[rows], self.candidates[rows]
        scores = scorer.score_all(users)
        target = scores.gather(1, items[:, None])[:, 0]
        # a candidate equal to the held-out item would compete with itself
        absent = (candidates < 0) | (candidates == items[:, None])
        beside = scores.gather(1, candidates.clamp(min=0)).masked_fill(absent, -torch.inf)
        row, column = self.excluded.of_users(users)
        others = scores.index_put((row, column), torch.tensor(-torch.inf, device=scores.device, dtype=scores.dtype))
        others.scatter_(1, items[:, None], -torch.inf)
        return rank_of(target, others), rank_of(target, beside)

    def rank_all(self, scorer: Scorer) -> Ranks:
        """Ranks of the whole holdout."""
        with torch.inference_mode():
            parts = [self.rank(scorer, rows) for rows in self]
        full, sampled = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
        return Ranks(full, sampled)
