"""Batches of positives with drawn negatives, made by torch on any device, or by compiled code on a CPU."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ncf.config import RecencyConfig
from ncf.data.prepared import PreparedData
from ncf.errors import DataError
from ncf.sampling.sampler import NegativeSampler, UnseenItems, WeightedUnseen, popularity_weights
from ncf.splitmix import derived_seed
from ncf.training.native.library import Seen, library


class TorchNegatives:
    """Draws negatives for rows of the positives.

    Args:
        unseen: index over the train pairs; a weighted one draws in proportion to the weights.
        users, items: int64[number of positives], of all positives, each with a user who has unseen items.
    """

    def __init__(self, unseen: UnseenItems | WeightedUnseen, users: Tensor, items: Tensor) -> None:
        self._sampler = NegativeSampler(unseen)
        self._users, self._items = users, items

    def draw(self, rows: Tensor, num_negatives: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return users int64[P] and items int64[P, 1 + num_negatives] of some positives; column 0 is the positive.

        Args:
            rows: int64[P], of the positives; the negatives of a row do not depend on the other rows.
            num_negatives: draws per positive, from its user's unseen items, with replacement.
            seed: 0 to 2^63 - 1.
        """
        order = rows.argsort()  # by user: neighbors search the same section of the index, which is twice as fast
        ordered = rows[order]
        drawn = self._sampler.sample(self._users[ordered], num_negatives, seed, ordered)
        negatives = torch.empty_like(drawn).index_copy_(0, order, drawn)
        return self._users[rows], torch.cat([self._items[rows, None], negatives], dim=1)


class NativeNegatives:
    """Draws exactly the numbers of `TorchNegatives` by one call of compiled code (negatives.cpp), in less memory.

    The arguments are those of `TorchNegatives`, all on the CPU, and the number of threads.

    Raises:
        ConfigError: there is no C++ compiler, or it fails.
    """

    def __init__(self, unseen: UnseenItems, users: Tensor, items: Tensor, threads: int) -> None:
        self._positives = torch.stack([users, items], dim=1).to(torch.int32)
        self._offsets = torch.cat([unseen.offsets, torch.tensor([len(unseen.keys)])])
        of_user = torch.arange(len(unseen.offsets)).repeat_interleave(self._offsets.diff())
        self._below = (unseen.keys - of_user * (unseen.num_items + 1)).to(torch.int32)
        self._seen = Seen(self._below.data_ptr(), self._offsets.data_ptr(), unseen.num_items)
        self._threads = threads
        self._library = library()
        for array in (self._positives, self._below):
            self._library.ncf_use_large_pages(array.data_ptr(), array.nbytes)

    def draw(self, rows: Tensor, num_negatives: int, seed: int) -> tuple[Tensor, Tensor]:
        """As `TorchNegatives.draw`."""
        rows = rows.contiguous()
        users, items = torch.empty_like(rows), rows.new_empty(len(rows), 1 + num_negatives)
        self._library.ncf_draw(
            self._seen,
            self._positives.data_ptr(),
            rows.data_ptr(),
            len(rows),
            seed,
            num_negatives,
            self._threads,
            users.data_ptr(),
            items.data_ptr(),
        )
        return users, items


SAMPLES_PER_CALL = 2**17  # samples in one Lightning step, which costs about 1 ms: some hundred small optimizer steps
SHUFFLE_STREAM, NEGATIVES_STREAM, DROPOUT_STREAM = 1, 2, 3


class Step(NamedTuple):
    """One process's shard of one optimizer step.

    Attributes:
        users: int64[B].
        items: int64[B, 1 + num_negatives]; column 0 is the positive.
        labels: float32[B, 1 + num_negatives]; the positive's label (1 for implicit feedback), then zeros.
        counted: number of rows that count: all of them, or 0 if there are fewer rows than processes.
        weight: of the mean over these rows in the mean over the processes; 1 if the shards are equal.
        last: whether it completes its optimizer step; always true here.
        weights: float32[B], of each positive with its negatives in the mean over the step; their mean over all
            positives is 1. None: all have 1.
    """

    users: Tensor
    items: Tensor
    labels: Tensor
    counted: int
    weight: float
    last: bool = True
    weights: Tensor | None = None

    @property
    def samples(self) -> int:
        """Positives and negatives."""
        return self.items.numel()


class TrainingBatches:
    """Iterable over one epoch. The batches depend only on (seed, epoch), not on the device.

    Yields lists of steps, with about `SAMPLES_PER_CALL` samples each. With several processes, each has a shard of every
    step; together they see the same samples as one process.

    Args:
        data: the prepared data set.
        batch_size: samples, positives and negatives together, per optimizer step.
        num_negatives: negatives per positive.
        seed: seed of shuffling and sampling.
        device: of the tensors.
        beta: negatives are drawn in proportion to (train count)^beta; None: uniformly.
        recency: how much older positives count.
        rank, world_size: index of this process, and number of processes.
        native_threads: threads of the compiled code, which draws uniform negatives on a CPU; None: torch draws them.

    Raises:
        DataError: no positive can have a negative, since every user has every item.
    """

    def __init__(
        self,
        data: PreparedData,
        batch_size: int,
        num_negatives: int,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        beta: float | None = None,
        recency: RecencyConfig = RecencyConfig(),  # noqa: B008 (frozen)
        rank: int = 0,
        world_size: int = 1,
        native_threads: int | None = None,
    ) -> None:
        unseen: UnseenItems | WeightedUnseen
        if beta is None:
            unseen = UnseenItems.of(data.train, data.num_users, data.num_items, device)
        else:
            weights = popularity_weights(data.item_counts, beta)
            unseen = WeightedUnseen.of(data.train, weights, data.num_users, device)
        users = torch.as_tensor(data.train.users, device=device)
        items = torch.as_tensor(data.train.items, device=device)
        possible = unseen.limits[users] > 0  # a user who has every item has no negatives
        if not possible.any():
            raise no_negatives(data.num_items)
        users, items = users[possible], items[possible]
        self.labels = None if data.labels is None else torch.as_tensor(data.labels, device=device)[possible]
        self._weights: Tensor | None = None
        if recency.half_life is not None:
            weights_of_all = torch.as_tensor(data.recency_weights(recency), device=device)[possible]
            self._weights = weights_of_all / weights_of_all.mean()
        self._negatives: TorchNegatives | NativeNegatives = TorchNegatives(unseen, users, items)
        if native_threads is not None and isinstance(unseen, UnseenItems) and users.device.type == "cpu":
            self._negatives = NativeNegatives(unseen, users, items, native_threads)
        self._count, self._device = len(users), users.device
        self.num_negatives = num_negatives
        self.positives_per_step = max(1, batch_size // (1 + num_negatives))
        self.positives_per_call = max(1, SAMPLES_PER_CALL // batch_size) * self.positives_per_step
        self.seed = seed
        self.epoch = 0
        self.rank, self.world_size = rank, world_size
        largest = self._shard(self.positives_per_step).stop
        self._implicit = self._with_negatives(torch.ones(largest, device=device))  # labels of every step

    @property
    def counted(self) -> int:
        """Sum of `counted` over one epoch and all processes."""
        return self._count

    @property
    def num_samples(self) -> int:
        """Number of positives and negatives in one epoch, of all processes."""
        return self._count * (1 + self.num_negatives)

    def __len__(self) -> int:
        return -(-self._count // self.positives_per_call)

    def __iter__(self) -> Iterator[list[Step]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, SHUFFLE_STREAM, self.epoch))
        order = torch.randperm(self._count, generator=generator)  # on the CPU, so that every device has the same order
        for rows in order.to(self._device).split(self.positives_per_call):
            yield self._steps(rows)

    def _steps(self, rows: Tensor) -> list[Step]:
        """Steps of these positives; negatives are drawn for all of them at once."""
        wholes = rows.split(self.positives_per_step)
        shards = [whole[self._shard(len(whole))] for whole in wholes]
        mine = torch.cat(shards) if self.world_size > 1 else rows
        negatives_seed = derived_seed(self.seed, NEGATIVES_STREAM, self.epoch)
        users, items = self._negatives.draw(mine, self.num_negatives, negatives_seed)
        sizes = [len(shard) for shard in shards]
        weights = [None] * len(sizes) if self._weights is None else self._weights[mine].split(sizes)
        batches = zip(users.split(sizes), items.split(sizes), self._labels(mine, sizes), weights, strict=True)
        return [self._step(*batch, size=len(whole)) for batch, whole in zip(batches, wholes, strict=True)]

    def _step(self, users: Tensor, items: Tensor, labels: Tensor, weights: Tensor | None, size: int) -> Step:
        start, stop = shard_bounds(size, self.rank, self.world_size)
        counted = stop - start
        return Step(users, items, labels, counted, counted * self.world_size / size, weights=weights)

    def _labels(self, rows: Tensor, sizes: list[int]) -> Sequence[Tensor]:
        """Labels of the positives in these rows and of their negatives, by step."""
        if self.labels is None:
            return [self._implicit[:size] for size in sizes]
        return self._with_negatives(self.labels[rows]).split(sizes)

    def _with_negatives(self, labels: Tensor) -> Tensor:
        """float32[P] labels of positives -> float32[P, 1 + num_negatives], 0 for the negatives."""
        return nn.functional.pad(labels[:, None], (0, self.num_negatives))

    def _shard(self, size: int) -> slice:
        """Rows of a step for this process; one that does not count if there are fewer rows than processes."""
        start, stop = shard_bounds(size, self.rank, self.world_size)
        return slice(start, max(stop, start + 1))


def shard_bounds(size: int, rank: int, world_size: int) -> tuple[int, int]:
    """Start and stop of a process's shard of `size` rows. It may be empty, but its start is a row."""
    return size * rank // world_size, size * (rank + 1) // world_size


def no_negatives(num_items: int) -> DataError:
    """The error of data without a single possible negative."""
    return DataError(
        "every user has every item, so there are no negatives; number of items",
        got=num_items,
        allowed="at least one item that some user has not in train",
        do="use a log with more items",
    )
