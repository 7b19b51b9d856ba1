"""Training negatives: of the items that a user has not in train, evenly (paper, section 3.1.1) or by popularity."""

import torch
from torch import Tensor

from ncf.data.popularity import WeightedUnseen
from ncf.data.splitmix import counters_of, random_below, random_bits
from ncf.data.unseen import UnseenItems


class NegativeSampler:
    """Draws unobserved items as tensors on the device of its index.

    Only train positives are avoided: to avoid the held-out items too would tell the model what they are.

    Args:
        unseen: index over the train pairs; a weighted one draws in proportion to the weights.
    """

    def __init__(self, unseen: UnseenItems | WeightedUnseen) -> None:
        self.unseen = unseen

    def sample(self, users: Tensor, num_negatives: int, seed: int, rows: Tensor) -> Tensor:
        """Draw items independently from each user's unseen items (with replacement).

        Args:
            users: int64[B], each with at least one unseen item.
            num_negatives: draws per user.
            seed: 0 to 2^63 - 1; with the same seed a row gets the same items, in any batch and on any device.
            rows: int64[B], the number of each draw; equal numbers get equal items.

        Returns:
            int64[B, num_negatives].
        """
        bits = random_bits(seed, counters_of(rows, num_negatives))
        below = random_below(bits, self.unseen.limits[users][:, None])
        return self.unseen.select(users[:, None].expand_as(below), below)


def draw_candidates(unseen: UnseenItems, users: Tensor, num_candidates: int, generator: torch.Generator) -> Tensor:
    """Draw distinct unseen items for each user, every subset being equally likely.

    Robert Floyd's algorithm, one step for all users at once: `num_candidates` steps, no rejection.

    Args:
        unseen: index over everything the users have interacted with, in any split.
        users: int64[B].
        num_candidates: items per user; a user with fewer unseen items gets all of them.
        generator: source of the randomness, on the index's device.

    Returns:
        int64[B, num_candidates], padded with -1 where a user has too few unseen items.
    """
    available = unseen.num_unseen[users]
    drawn = torch.full((len(users), num_candidates), -1, dtype=torch.int64, device=users.device)
    for step in range(num_candidates):
        last = available - num_candidates + step  # the newest member allowed in this step; negative: none left
        uniform = torch.rand(len(users), dtype=torch.float64, device=users.device, generator=generator)
        pick = (uniform * (last + 1)).long()
        taken = (drawn[:, :step] == pick[:, None]).any(dim=1)
        drawn[:, step] = torch.where(last < 0, -1, torch.where(taken, last, pick))
    return torch.where(drawn < 0, -1, unseen.select(users[:, None].expand_as(drawn), drawn.clamp(min=0)))
