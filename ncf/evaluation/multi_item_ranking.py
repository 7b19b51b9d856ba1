"""Ranks and metrics of several held-out items per user."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ncf.data import Indices
from ncf.data.prepared import PreparedData
from ncf.data.split import Pairs
from ncf.evaluation.metrics import Values, hit, ndcg, unusable_scores
from ncf.evaluation.ranking import SCORING_MEMORY_MB, Scorer, users_at_once
from ncf.sampling.sampler import PairRows


def rank_held_out(
    scorer: Scorer, data: PreparedData, held_out: Pairs, *, memory_mb: int = SCORING_MEMORY_MB
) -> Indices:
    """Rank of each held-out pair among all items that its user does not have in train, from 1.

    A user's held-out items compete with each other, as they do for the positions of a list. Tied items all take the
    worst rank among their equals. Each user is scored once.

    Args:
        scorer: a model or a baseline, on the CPU.
        data: what is known.
        held_out: pairs sorted by user, none of them in train.
        memory_mb: memory for the scores of one block of users, in MB.

    Returns:
        int64[len(held_out)], in its order.

    Raises:
        ModelError: a score is NaN, or a held-out item's is -inf.
    """
    known = PairRows.of([data.train], data.num_users)
    users, counts = torch.unique_consecutive(torch.as_tensor(held_out.users), return_counts=True)
    items = torch.as_tensor(held_out.items)
    blocks = [torch.empty(0, dtype=torch.int64)]
    with torch.inference_mode():
        for rows, pairs in _blocks(counts, users_at_once(memory_mb, data.num_items)):
            blocks.append(
                _ranks(scorer.score_all(users[rows]), known.of_users(users[rows]), counts[rows], items[pairs])
            )
    ranks: Indices = torch.cat(blocks).numpy()
    return ranks


def hits_of_users(ranks: Indices, users: Indices, k: int) -> Values:
    """1.0 where any of a user's held-out items is among the first k, else 0.0; users ascending.

    Args:
        ranks: int64[P].
        users: int64[P], the same pairs' users, sorted.
        k: length of the list.
    """
    return (_sums(hit(ranks, k), users) > 0).astype(np.float64)


def ndcg_of_users(ranks: Indices, users: Indices, k: int) -> Values:
    """Discounted gain of a user's first k over that of the best possible list; with one held-out item, NDCG@k.

    Args:
        ranks: int64[P].
        users: int64[P], the same pairs' users, sorted.
        k: length of the list.
    """
    counts = np.unique(users, return_counts=True)[1]
    best = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    gains: Values = _sums(ndcg(ranks, k), users) / best[np.minimum(counts, k) - 1]
    return gains


def _sums(values: Values, users: Indices) -> Values:
    sums: Values = np.bincount(np.unique(users, return_inverse=True)[1], weights=values).astype(np.float64)
    return sums


def _blocks(counts: Tensor, size: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of users, and their pairs."""
    ends = [0, *counts.cumsum(0).tolist()]
    for start in range(0, len(counts), size):
        stop = min(start + size, len(counts))
        yield slice(start, stop), slice(ends[start], ends[stop])


def _ranks(scores: Tensor, known: tuple[Tensor, Tensor], counts: Tensor, items: Tensor) -> Tensor:
    """Scores float[B, num_items] of a block of users -> ranks of their held-out items, int64[pairs]."""
    scores[known] = -torch.inf
    rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
    targets = scores[rows, items]
    if scores.isnan().any() or targets.isneginf().any():
        raise unusable_scores()
    positions = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows]
    table = scores.new_zeros(len(counts), int(counts.max()))
    table[rows, positions] = targets
    below = torch.searchsorted(scores.sort(dim=1).values, table)  # how many are strictly lower
    return scores.shape[1] - below[rows, positions]
