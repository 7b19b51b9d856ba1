"""An epoch as slices of ready tensors: shuffled positives, each with its own negatives, no Python per sample."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ncf.data.prepared import PreparedData
from ncf.data.sampler import NegativeSampler
from ncf.data.unseen import UnseenItems
from ncf.errors import DataError

STEPS_PER_CALL = 16  # optimizer steps in one Lightning step, whose own cost is about 1 ms
SHUFFLE_STREAM, INITIAL_STREAM, DROPOUT_STREAM = 1, 2, 3


def derived_seed(seed: int, *stream: int) -> int:
    """A seed for one purpose: different streams of one seed, or of neighbouring seeds, do not overlap."""
    mixed = seed & (2**64 - 1)
    for number in stream:  # splitmix64's finaliser
        mixed = (mixed + 0x9E3779B97F4A7C15 * (number + 1)) & (2**64 - 1)
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        mixed ^= mixed >> 31
    return mixed & (2**63 - 1)


class TrainingBatches:
    """Iterable over one epoch. Everything it yields is a function of (seed, epoch) alone.

    Yields pairs (users int64[P], items int64[P, 1 + num_negatives]); column 0 of the items is the positive. P holds
    several optimizer steps; the training module cuts it by `positives_per_step`.

    Args:
        data: the prepared data set.
        batch_size: samples, positives and negatives together, per optimizer step.
        num_negatives: negatives per positive.
        seed: seed of shuffling and sampling.
        device: where the tensors are to lie.

    Raises:
        DataError: no positive can have a negative, since every user has every item.
    """

    def __init__(
        self, data: PreparedData, batch_size: int, num_negatives: int, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        unseen = UnseenItems.of(data.train, data.num_users, data.num_items, device)
        users = torch.as_tensor(data.train.users, device=device)
        items = torch.as_tensor(data.train.items, device=device)
        possible = unseen.num_unseen[users] > 0  # a user who has everything has no negatives to learn from
        if not possible.any():
            raise DataError(
                "every user has every item, so there are no negatives; number of items",
                got=data.num_items,
                allowed="at least one item that some user has not in train",
                do="use a log with more items",
            )
        self.users, self.items = users[possible], items[possible]
        self.sampler = NegativeSampler(unseen)
        self.num_negatives = num_negatives
        self.positives_per_step = max(1, batch_size // (1 + num_negatives))
        self.seed = seed
        self.epoch = 0

    @property
    def num_samples(self) -> int:
        """Positives and negatives of one epoch."""
        return len(self.users) * (1 + self.num_negatives)

    def __len__(self) -> int:
        return -(-len(self.users) // (self.positives_per_step * STEPS_PER_CALL))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator(self.users.device).manual_seed(derived_seed(self.seed, SHUFFLE_STREAM, self.epoch))
        order = torch.randperm(len(self.users), device=self.users.device, generator=generator)
        for rows in order.split(self.positives_per_step * STEPS_PER_CALL):
            users = self.users[rows]
            negatives = self.sampler.sample(users, self.num_negatives, generator)
            yield users, torch.cat([self.items[rows, None], negatives], dim=1)
