"""Training negatives: of the items that a user has not in train, evenly (paper, section 3.1.1) or by popularity."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncf.data.columns import Indices
from ncf.sampling.unseen import UnseenItems, WeightedUnseen
from ncf.splitmix import counters_of, random_below, random_bits

USERS_AT_ONCE = 4_096  # whose draws stay in a CPU's cache


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
    # all at once, since the draws of a step are one after the other for all users; the steps go user block by block
    uniform = torch.rand(num_candidates, len(users), dtype=torch.float64, device=users.device, generator=generator)
    available, draws = unseen.num_unseen[users].cpu().numpy(), uniform.cpu().numpy()
    starts = range(0, len(users), USERS_AT_ONCE)
    blocks = [slice(start, start + USERS_AT_ONCE) for start in starts]
    chosen = [_distinct_places(available[block], draws[:, block]) for block in blocks]
    places = torch.from_numpy(np.concatenate([np.empty((0, num_candidates), dtype=np.int32), *chosen])).to(users.device)
    return torch.where(places < 0, -1, unseen.select(users[:, None].expand_as(places), places.clamp(min=0)))


def _distinct_places(available: Indices, uniform: NDArray[np.float64]) -> NDArray[np.int32]:
    """Different numbers below `available`, int32[B, K], -1 where there are too few; uniform: [K, B] in [0, 1)."""
    num_candidates = len(uniform)
    drawn = np.full(uniform.shape, -1, dtype=np.int32)
    for step in range(num_candidates):
        last = (available - num_candidates + step).astype(np.int32)  # the newest member allowed; negative: none left
        pick = (uniform[step] * (last + 1)).astype(np.int32)
        taken = (drawn[:step] == pick).any(axis=0)
        drawn[step] = np.where(last < 0, -1, np.where(taken, last, pick))
    return drawn.T
