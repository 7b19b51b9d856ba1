"""Positives with drawn negatives, by torch on any device."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ncf.data.prepared import PreparedData
from ncf.errors import DataError
from ncf.sampling.sampler import NegativeSampler
from ncf.sampling.unseen import UnseenItems, WeightedUnseen, popularity_weights
from ncf.splitmix import derived_seed
from ncf.training.native.negatives import NativeNegatives


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
        """Of the positives in these rows the users int64[P], and the items int64[P, 1 + num_negatives].

        Args:
            rows: int64[P]; a row gets the same negatives in any company.
            num_negatives: draws per positive, from its user's unseen items, with replacement.
            seed: 0 to 2^63 - 1.
        """
        places = rows.argsort()  # users in their order: neighbours search the same part of the index, twice as fast
        ordered = rows[places]
        drawn = self._sampler.sample(self._users[ordered], num_negatives, seed, ordered)
        negatives = torch.empty_like(drawn).index_copy_(0, places, drawn)
        return self._users[rows], torch.cat([self._items[rows, None], negatives], dim=1)


SAMPLES_PER_CALL = 2**17  # in one Lightning step, whose own cost is about 1 ms: some hundred small optimizer steps
SHUFFLE_STREAM, NEGATIVES_STREAM, DROPOUT_STREAM = 1, 2, 3


class Step(NamedTuple):
    """One process's part of one optimizer step.

    Attributes:
        users: int64[B].
        items: int64[B, 1 + num_negatives]; column 0 is the positive.
        labels: float32[B, 1 + num_negatives]; in column 0 the positive's, 1 for implicit feedback; else 0.
        counted: how many of the rows count: all, or none where there are fewer rows than processes.
        weight: what the mean over these rows weighs in the mean over the processes; 1 where their parts are equal.
        last: whether it ends its optimizer step; always so here.
    """

    users: Tensor
    items: Tensor
    labels: Tensor
    counted: int
    weight: float
    last: bool = True

    @property
    def samples(self) -> int:
        """Positives and negatives."""
        return self.items.numel()


class TrainingBatches:
    """Iterable over one epoch. What it yields is a function of (seed, epoch) alone, on any device.

    Yields lists of steps, of about `SAMPLES_PER_CALL` samples. With several processes every one has a part of each
    step: together they see what one alone would.

    Args:
        data: the prepared data set.
        batch_size: samples, positives and negatives together, per optimizer step.
        num_negatives: negatives per positive.
        seed: seed of shuffling and sampling.
        device: where the tensors are to lie.
        beta: negatives are drawn in proportion to (train count)^beta; None draws them evenly.
        rank, world_size: which process this is, of how many.
        native_threads: threads of compiled code that draws even negatives on a CPU; None has torch draw, the same.

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
        possible = unseen.limits[users] > 0  # a user who has everything has no negatives to learn from
        if not possible.any():
            raise no_negatives(data.num_items)
        users, items = users[possible], items[possible]
        self.labels = None if data.labels is None else torch.as_tensor(data.labels, device=device)[possible]
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
        most = self._part(self.positives_per_step).stop
        self._implicit = self._with_negatives(torch.ones(most, device=device))  # the same for every step

    @property
    def counted(self) -> int:
        """What the steps' `counted` add up to in one epoch, of all processes."""
        return self._count

    @property
    def num_samples(self) -> int:
        """Positives and negatives of one epoch, of all processes."""
        return self._count * (1 + self.num_negatives)

    def __len__(self) -> int:
        return -(-self._count // self.positives_per_call)

    def __iter__(self) -> Iterator[list[Step]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, SHUFFLE_STREAM, self.epoch))
        order = torch.randperm(self._count, generator=generator)  # on the CPU, for the same order on every device
        for rows in order.to(self._device).split(self.positives_per_call):
            yield self._steps(rows)

    def _steps(self, rows: Tensor) -> list[Step]:
        """Steps of these positives: sampled at once, then cut."""
        wholes = rows.split(self.positives_per_step)
        parts = [whole[self._part(len(whole))] for whole in wholes]
        mine = torch.cat(parts) if self.world_size > 1 else rows
        negatives_seed = derived_seed(self.seed, NEGATIVES_STREAM, self.epoch)
        users, items = self._negatives.draw(mine, self.num_negatives, negatives_seed)
        sizes = [len(part) for part in parts]
        pieces = zip(users.split(sizes), items.split(sizes), self._labels(mine, sizes), wholes, strict=True)
        return [self._step(users, items, labels, len(whole)) for users, items, labels, whole in pieces]

    def _step(self, users: Tensor, items: Tensor, labels: Tensor, size: int) -> Step:
        start, stop = bounds(size, self.rank, self.world_size)
        counted = stop - start
        return Step(users, items, labels, counted, counted * self.world_size / size)

    def _labels(self, rows: Tensor, sizes: list[int]) -> Sequence[Tensor]:
        """Labels of the positives in these rows and of their negatives, by step."""
        if self.labels is None:
            return [self._implicit[:size] for size in sizes]
        return self._with_negatives(self.labels[rows]).split(sizes)

    def _with_negatives(self, labels: Tensor) -> Tensor:
        """float32[P] labels of positives -> float32[P, 1 + num_negatives], 0 for the negatives."""
        return nn.functional.pad(labels[:, None], (0, self.num_negatives))

    def _part(self, size: int) -> slice:
        """This process's rows of a step; one that does not count where there are too few for all."""
        start, stop = bounds(size, self.rank, self.world_size)
        return slice(start, max(stop, start + 1))


def bounds(size: int, rank: int, world_size: int) -> tuple[int, int]:
    """Where a process's part of so many rows begins and ends; it may be empty, but begins at a row."""
    return size * rank // world_size, size * (rank + 1) // world_size


def no_negatives(num_items: int) -> DataError:
    """Nothing to tell the positives from."""
    return DataError(
        "every user has every item, so there are no negatives; number of items",
        got=num_items,
        allowed="at least one item that some user has not in train",
        do="use a log with more items",
    )
