"""Top lists, and exact ranks of held-out items: full ranking, and the paper's protocol with 99 sampled items."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from ncf.data import Indices
from ncf.data.prepared import PreparedData
from ncf.evaluation.metrics import CUTOFFS, METRICS, Mean, Values, mean_with_interval, rank_of, unusable_scores
from ncf.hardware import HardwareConfig
from ncf.sampling.sampler import PairRows

SplitName: TypeAlias = Literal["validation", "test"]

CUTOFF = 10
STEERING = ("hr", "ndcg")  # the metrics computed after each epoch of a training
SCORING_MEMORY_MB = HardwareConfig().scoring_memory_mb  # where no setting is at hand
PAIRS_AT_ONCE = 2**16  # of users and candidates, so that a model's hidden units stay in a CPU's cache


class Scorer(Protocol):
    """Anything that can score the whole catalogue for some users.

    A scorer that can also be called as the models can, with users int64[B] and items int64[B, C] -> float[B, C], has to
    score only the candidates when these alone are ranked.
    """

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items], a tensor that the caller may overwrite; higher is better."""
        ...


def users_at_once(memory_mb: int, num_items: int) -> int:
    """Number of users whose scores, float32[num_items] each, fit into the memory; at least one."""
    return max(1, memory_mb * 1_000_000 // (4 * num_items))


def top_items(scores: Tensor, k: int) -> Tensor:
    """The best k items of each row, best first; equal scores in the catalogue's order, as a recommender serves them.

    Args:
        scores: float[B, num_items]; -inf marks an item that may not be taken.
        k: length of the lists, cut to the number of items.

    Returns:
        int64[B, k]; -1 pads a row that has fewer items to offer.

    Raises:
        ModelError: a score is NaN.
    """
    k = min(k, scores.shape[1])
    best = scores.topk(min(k + 1, scores.shape[1]), dim=1)  # one more, to see whether the last position is contested
    if torch.isnan(best.values[:, 0]).any():  # NaN sorts first
        raise unusable_scores()
    items, last = best.indices[:, :k], best.values[:, k - 1 : k]
    # topk takes any of the tied, in any order; which of those at -inf it takes does not matter
    contested = ((best.values[:, k:] == last) & ~last.isneginf()).any(dim=1)
    items[contested] = _first_of_tied(scores[contested], last[contested], k)
    items = items.sort(dim=1).values
    values = scores.gather(1, items)
    order = values.sort(dim=1, descending=True, stable=True).indices
    return items.masked_fill(values.isneginf(), -1).gather(1, order)


def _first_of_tied(scores: Tensor, last: Tensor, k: int) -> Tensor:
    """The best k of each row, [B, k], of those equal to the k-th value, `last` [B, 1], the first of the catalogue."""
    above, tied = scores > last, scores == last
    room = k - above.sum(dim=1, keepdim=True)
    taken = above | (tied & (tied.cumsum(dim=1) <= room))
    return taken.nonzero()[:, 1].view(len(scores), k)


def metric_values(
    protocol: str, ranks: Indices, cutoffs: Sequence[int] = CUTOFFS, metrics: Sequence[str] = tuple(METRICS)
) -> dict[str, Values]:
    """Per-user values of several metrics at several cut-offs, under their keys, such as "full/ndcg_at_10"."""
    return {f"{protocol}/{metric}_at_{k}": METRICS[metric](ranks, k) for metric in metrics for k in cutoffs}


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
        return self.every((k,), STEERING)

    def every(self, cutoffs: Sequence[int] = CUTOFFS, metrics: Sequence[str] = tuple(METRICS)) -> dict[str, Values]:
        """Per-user values of several metrics at several cut-offs, under their keys."""
        full = metric_values("full", self.full, cutoffs, metrics)
        return full | metric_values("sampled", self.sampled, cutoffs, metrics)

    def summary(self, k: int = CUTOFF) -> dict[str, Mean]:
        """Mean and interval over the users under the same keys."""
        return {key: mean_with_interval(values) for key, values in self.values(k).items()}


class HoldoutRanker:
    """Ranks held-out items under any scorer; the data lies on one device, ready for many evaluations.

    Iterating gives the holdout's rows in blocks, as slices, whose scores fit into the memory.

    Args:
        data: the prepared data set.
        split: which holdout.
        device: where the scorer's tensors are.
        memory_mb: memory for the scores of one block, in MB.
    """

    def __init__(
        self,
        data: PreparedData,
        split: SplitName,
        device: torch.device | str = "cpu",
        *,
        memory_mb: int = SCORING_MEMORY_MB,
    ) -> None:
        holdout = data.validation if split == "validation" else data.test
        known = [data.train, data.other] if split == "validation" else [data.train, data.other, data.validation.pairs]
        self.users = torch.as_tensor(holdout.pairs.users, device=device)
        self.items = torch.as_tensor(holdout.pairs.items, device=device)
        self.candidates = torch.as_tensor(holdout.candidates, device=device)
        self.excluded = PairRows.of(known, data.num_users, device)
        self.rows_at_once = users_at_once(memory_mb, data.num_items)

    def __len__(self) -> int:
        return -(-len(self.users) // self.rows_at_once)

    def __iter__(self) -> Iterator[slice]:
        return (slice(start, start + self.rows_at_once) for start in range(0, len(self.users), self.rows_at_once))

    def shard(self, rank: int, world_size: int) -> list[slice]:
        """The rows of one of several processes, in blocks small enough to score at once; at least one block."""
        start, stop = (len(self.users) * number // world_size for number in (rank, rank + 1))
        starts = range(start, max(stop, start + 1), self.rows_at_once)
        return [slice(first, min(first + self.rows_at_once, stop)) for first in starts]

    def rank(self, scorer: Scorer, rows: slice) -> tuple[Tensor, Tensor]:
        """Ranks of some rows by both protocols: (full int64[B], sampled int64[B]).

        Raises:
            ModelError: a score is NaN, or a held-out item's is -inf.
        """
        return self.rank_scored(scorer.score_all(self.users[rows]), rows)

    def rank_scored(self, scores: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """The same from the rows' scores, float[B, num_items], which are changed.

        Items that do not compete become -inf; the held-out item keeps its score.
        """
        items, candidates = self.items[rows, None], self.candidates[rows]
        target = scores.gather(1, items)
        sampled = self._among_candidates(target, scores.gather(1, candidates.clamp(min=0)), rows)
        scores[self.excluded.of_users(self.users[rows])] = -torch.inf
        if scores.amax(dim=1).isnan().any() or target.isneginf().any():
            raise unusable_scores()
        itself = scores.gather(1, items) >= target  # no, if the item is among those that do not compete
        full = 1 + (scores >= target).sum(dim=1, dtype=torch.int32) - itself[:, 0].int()
        return full.long(), sampled

    def rank_candidates(self, scorer: Scorer, rows: slice) -> Tensor:
        """Ranks of some rows by the sampled protocol alone: int64[B]. A model scores nothing but the candidates.

        Raises:
            ModelError: a score is NaN, or a held-out item's is -inf.
        """
        items = torch.cat([self.items[rows, None], self.candidates[rows].clamp(min=0)], dim=1)
        scores = _scores_of(scorer, self.users[rows], items)
        return self._among_candidates(scores[:, :1], scores[:, 1:], rows)

    def rank_all(self, scorer: Scorer) -> Ranks:
        """Ranks of the whole holdout by both protocols."""
        with torch.inference_mode():
            blocks = [self.rank(scorer, rows) for rows in self]
        full, sampled = (torch.cat(column).cpu().numpy() for column in zip(*blocks, strict=True))
        return Ranks(full, sampled)

    def rank_all_candidates(self, scorer: Scorer) -> Indices:
        """Ranks of the whole holdout by the sampled protocol alone: what `rank_all` has as `sampled`."""
        with torch.inference_mode():
            ranks: Indices = torch.cat([self.rank_candidates(scorer, rows) for rows in self]).cpu().numpy()
        return ranks

    def _among_candidates(self, target: Tensor, beside: Tensor, rows: slice) -> Tensor:
        """Scores of the held-out items [B, 1] and of their candidates [B, C] -> ranks [B]."""
        candidates = self.candidates[rows]
        # a candidate equal to the held-out item would compete with itself
        absent = (candidates < 0) | (candidates == self.items[rows, None])
        return rank_of(target[:, 0], beside.masked_fill(absent, -torch.inf))


def _scores_of(scorer: Scorer, users: Tensor, items: Tensor) -> Tensor:
    """Scores of a few items for each user: users int64[B], items int64[B, C] -> float[B, C]."""
    if not callable(scorer):
        return scorer.score_all(users).gather(1, items)
    size = max(1, PAIRS_AT_ONCE // items.shape[1])
    blocks = zip(torch.split(users, size), torch.split(items, size), strict=True)
    return torch.cat([scorer(*block) for block in blocks])
