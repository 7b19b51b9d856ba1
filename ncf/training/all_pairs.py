"""Batches without sampling: blocks of users with all items, so that every unobserved pair is a negative."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ncf.config import RecencyConfig, TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.splitmix import derived_seed
from ncf.training.batches import (
    SAMPLES_PER_CALL,
    SHUFFLE_STREAM,
    TrainingBatches,
    no_negatives,
    shard_bounds,
)

PAIRS_PER_BLOCK = 2**17  # per process, forward and backward at once: 30 MB of hidden units in the default tower


class Block(NamedTuple):
    """Some users of one optimizer step, with all items; the loss is the weighted mean over their pairs.

    Attributes:
        users: int64[B].
        unobserved: float32[B], weight of each unobserved pair of the user.
        totals: float32[B], sum of the weights of all pairs of the user.
        rows, items, labels, weights: int64[P], int64[P], float32[P], float32[P], of the observed pairs: index in
            `users`, item, label, weight.
        counted: sum of the weights of the block's pairs; 0 for a user who only keeps a process busy.
        weight: of the mean over this block in the mean over its step, times the number of processes.
        last: whether it completes its optimizer step, to which all blocks since the last such one belong.
        samples: number of pairs, observed or not.
    """

    users: Tensor
    unobserved: Tensor
    totals: Tensor
    rows: Tensor
    items: Tensor
    labels: Tensor
    weights: Tensor
    counted: float
    weight: float
    last: bool
    samples: int


class AllPairsBatches:
    """Iterable over one epoch: each user with train positives once, in an order that depends only on (seed, epoch).

    Yields lists of blocks that form whole optimizer steps, with about `SAMPLES_PER_CALL` pairs each. With several
    processes, each has a shard of every block; together they see the same pairs as one process.

    An observed pair has the weight 1, or less if it is old. Each unobserved pair of a user has the weight
    `unobserved_weight`. If that is None, all unobserved pairs of a user together have `num_negatives` times the weight
    of the observed ones, as drawn negatives have on average. Only train pairs are
    observed: to leave out the held-out ones would show them to the model.

    Args:
        data: the prepared data set, no pair repeated.
        batch_size: pairs per optimizer step; a step has at least one user.
        num_negatives: see above.
        unobserved_weight: see above.
        recency: how much older pairs count.
        seed: seed of shuffling.
        device: of the tensors.
        rank, world_size: index of this process, and number of processes.

    Raises:
        DataError: every user has every item, so there are no negatives.
    """

    def __init__(
        self,
        data: PreparedData,
        batch_size: int,
        num_negatives: int,
        unobserved_weight: float | None,
        recency: RecencyConfig,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        order = np.argsort(data.train.users, kind="stable")
        labels = np.ones(len(order), dtype=np.float32) if data.labels is None else data.labels[order]
        counts = data.user_counts
        unseen = data.num_items - counts
        if not (unseen[counts > 0] > 0).any():
            raise no_negatives(data.num_items)
        weights = data.recency_weights(recency)[order]
        observed = np.bincount(data.train.users[order], weights, minlength=data.num_users)
        like_drawn = num_negatives * observed / np.maximum(unseen, 1)
        unobserved = np.where(unseen > 0, like_drawn if unobserved_weight is None else unobserved_weight, 0.0)
        self.num_items = data.num_items
        self.users = torch.as_tensor(np.flatnonzero(counts))
        self.totals = torch.as_tensor(observed + unobserved * unseen)  # float64, on the CPU
        self.counts = torch.as_tensor(counts)
        self.users_per_step = max(1, batch_size // data.num_items)
        self.users_per_block = max(1, PAIRS_PER_BLOCK // data.num_items) * world_size
        self.steps_per_call = max(1, SAMPLES_PER_CALL // (self.users_per_step * data.num_items))
        self.seed = seed
        self.epoch = 0
        self.rank, self.world_size = rank, world_size
        self._items = torch.as_tensor(data.train.items[order], device=device)
        self._labels = torch.as_tensor(labels, device=device)
        self._weights = torch.as_tensor(weights, device=device)
        self._offsets = torch.as_tensor(np.cumsum(counts) - counts, device=device)
        self._counts = self.counts.to(device)
        self._unobserved = torch.as_tensor(unobserved, dtype=torch.float32, device=device)
        self._totals = self.totals.to(dtype=torch.float32).to(device)

    @property
    def counted(self) -> float:
        """Sum of `counted` over one epoch and all processes."""
        return float(self.totals[self.users].sum())

    @property
    def num_samples(self) -> int:
        """Number of pairs in one epoch, of all processes."""
        return len(self.users) * self.num_items

    def __len__(self) -> int:
        return -(-len(self.users) // (self.steps_per_call * self.users_per_step))

    def __iter__(self) -> Iterator[list[Block]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, SHUFFLE_STREAM, self.epoch))
        order = self.users[torch.randperm(len(self.users), generator=generator)]
        for users in order.split(self.steps_per_call * self.users_per_step):
            yield [block for step in users.split(self.users_per_step) for block in self._blocks(step)]

    def _blocks(self, step: Tensor) -> Iterator[Block]:
        """This process's shards of one optimizer step."""
        step_weight = float(self.totals[step].sum())
        wholes = step.split(self.users_per_block)
        for number, whole in enumerate(wholes, start=1):
            start, stop = shard_bounds(len(whole), self.rank, self.world_size)
            counted = float(self.totals[whole[start:stop]].sum())
            share = counted * self.world_size / step_weight if len(wholes) > 1 or self.world_size > 1 else 1.0
            yield self._block(whole[start : max(stop, start + 1)], counted, share, number == len(wholes))

    def _block(self, users: Tensor, counted: float, weight: float, last: bool) -> Block:
        size = int(self.counts[users].sum())
        users = users.to(self._items.device)
        counts = self._counts[users]
        rows = torch.arange(len(users), device=users.device).repeat_interleave(counts, output_size=size)
        first = self._offsets[users] - (counts.cumsum(0) - counts)  # less the pairs before the user's in this block
        pairs = torch.arange(size, device=users.device) + first[rows]
        observed = (rows, self._items[pairs], self._labels[pairs], self._weights[pairs])
        weights = (self._unobserved[users], self._totals[users])
        return Block(users, *weights, *observed, counted, weight, last, len(users) * self.num_items)


Batches: TypeAlias = TrainingBatches | AllPairsBatches


def make_batches(
    data: PreparedData,
    config: TrainingConfig,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    rank: int = 0,
    world_size: int = 1,
    native_threads: int | None = None,
) -> Batches:
    """Batches by the settings: drawn negatives, or all pairs. For the arguments, see the two classes.

    Raises:
        DataError: every user has every item, so there are no negatives.
    """
    size, negatives = config.batch_size, config.num_negatives
    if config.negatives == "all":
        weight = config.unobserved_weight
        return AllPairsBatches(
            data, size, negatives, weight, config.recency, seed, device, rank=rank, world_size=world_size
        )
    beta = config.negatives_beta if config.negatives == "popularity" else None
    return TrainingBatches(
        data,
        size,
        negatives,
        seed,
        device,
        beta=beta,
        recency=config.recency,
        rank=rank,
        world_size=world_size,
        native_threads=native_threads,
    )
