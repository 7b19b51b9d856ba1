"""Items that users have and have not seen, and negatives and candidates drawn from the unseen ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncf.data import Indices
from ncf.data.split import Pairs
from ncf.splitmix import counters_of, random_below, random_bits

USERS_AT_ONCE = 4_096  # whose draws stay in a CPU's cache
LARGEST_TOTAL = 2**31  # the limit of `random_below`


@dataclass(frozen=True)
class PairRows:
    """Items of each user, one user after the other: a sparse row matrix.

    Attributes:
        counts: int64[num_users], how many items a user has.
        offsets: int64[num_users], where they begin.
        items: int32[number of pairs]; half the memory of int64.
    """

    counts: Tensor
    offsets: Tensor
    items: Tensor

    @classmethod
    def of_counts(cls, counts: Tensor, items: Tensor) -> Self:
        """From the number of items of each user, int64[num_users], and the items in that order, int32."""
        return cls(counts, counts.cumsum(0) - counts, items)

    @classmethod
    def of(cls, splits: Sequence[Pairs], num_users: int, device: torch.device | str = "cpu") -> Self:
        """Group the pairs of several splits; a user's items are in the order of the splits, then of their pairs."""
        tensors = [_by_user(pairs, device) for pairs in splits]
        counted = [torch.bincount(users, minlength=num_users) for users, _ in tensors]
        counts = torch.stack(counted).sum(dim=0)
        items = torch.empty(sum(len(pairs) for pairs in splits), dtype=torch.int32, device=device)
        free = counts.cumsum(0) - counts
        for (users, its), own in zip(tensors, counted, strict=True):
            place = (free - (own.cumsum(0) - own))[users]
            items[place.add_(torch.arange(len(users), device=device))] = its.int()
            free = free + own
        return cls.of_counts(counts, items)

    def of_users(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Every pair of these users, int64[B], as (position in `users`, item), int64[number of pairs] each."""
        counts = self.counts[users]
        row = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        within = torch.arange(len(row), device=users.device) - (counts.cumsum(0) - counts)[row]
        return row, self.items[self.offsets[users][row] + within].long()


def _by_user(pairs: Pairs, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Users and items, int64, users ascending; a split is so already, and sorting 20 million takes seconds."""
    users, items = (torch.as_tensor(index, device=device) for index in (pairs.users, pairs.items))
    if (users[1:] >= users[:-1]).all():
        return users, items
    order = torch.argsort(users, stable=True)
    return users[order], items[order]


@dataclass(frozen=True)
class UnseenItems:
    """For each user, the map from r in [0, num_unseen) to the user's r-th unseen item.

    Attributes:
        num_items: size of the catalogue.
        num_unseen: int64[num_users], items that the user has not seen.
        offsets: int64[num_users], where the user's part of `keys` begins.
        keys: int64[number of seen pairs], user * (num_items + 1) + (unseen items below the seen one), sorted.
    """

    num_items: int
    num_unseen: Tensor
    offsets: Tensor
    keys: Tensor

    @classmethod
    def of(cls, seen: Pairs, num_users: int, num_items: int, device: torch.device | str = "cpu") -> Self:
        """Index the seen pairs (in any order; repeated pairs count once) on the given device."""
        keys = sorted_keys(seen, num_items, device)
        starts = torch.arange(num_users + 1, device=device) * num_items
        offsets = torch.searchsorted(keys, starts)
        counts = offsets.diff()
        # user * num_items + item becomes user * (num_items + 1) + item - place within the user, in place
        keys += torch.repeat_interleave(torch.arange(num_users, device=device) + offsets[:-1], counts)
        keys -= torch.arange(len(keys), device=device)
        return cls(num_items, num_items - counts, offsets[:-1], keys)

    @property
    def limits(self) -> Tensor:
        """int64[num_users]: `select` takes the numbers below."""
        return self.num_unseen

    def select(self, users: Tensor, r: Tensor) -> Tensor:
        """Return each user's r-th unseen item.

        Args:
            users: int64[...], any shape.
            r: int64 of the same shape, 0 <= r < num_unseen[users].

        Returns:
            int64 item indices of the same shape.
        """
        below = torch.searchsorted(self.keys, users * (self.num_items + 1) + r, right=True)
        return r + below - self.offsets[users]


def sorted_keys(pairs: Pairs, num_items: int, device: torch.device | str) -> Tensor:
    """User * num_items + item of each pair, sorted and each once: int64."""
    users, items = (torch.as_tensor(index, device=device) for index in (pairs.users, pairs.items))
    keys = users * num_items + items
    if keys.device.type == "cpu":
        keys.numpy().sort()  # in place: half the time and memory of torch's
    else:
        keys = keys.sort().values
    again = keys[1:] == keys[:-1]
    return torch.unique_consecutive(keys) if again.any() else keys


def popularity_weights(counts: Indices, beta: float) -> Indices:
    """Whole weights in proportion to max(count, 1)^beta, as Mikolov et al. (NIPS 2013) draw their negatives.

    Args:
        counts: int64[num_items], train interactions; fewer than 2^30 items.
        beta: 0 draws evenly, 1 by the counts.

    Returns:
        int64[num_items], each 1 at least, 2^31 together at most; none is further than 1 from its exact share.
    """
    wanted = np.maximum(counts, 1).astype(np.float64) ** beta
    room = LARGEST_TOTAL - len(counts)  # rounding adds at most 1 to an item
    weights: Indices = np.maximum(np.rint(wanted * (room / wanted.sum())), 1).astype(np.int64)
    return weights


@dataclass(frozen=True)
class WeightedUnseen:
    """For each user, the map from x in [0, unseen weight) to the unseen item at that point.

    Attributes:
        ends: int64[num_items], weight of all items up to and including this one.
        limits: int64[num_users], weight of the items that the user has not seen.
        offsets: int64[num_users], where the user's part of `keys` begins.
        keys: int64[number of seen pairs], user * (total weight + 1) + (unseen weight below the seen item), sorted.
        seen_weight: int64[number of seen pairs + 1], weight of the seen items before, of all users.
    """

    ends: Tensor
    limits: Tensor
    offsets: Tensor
    keys: Tensor
    seen_weight: Tensor

    @classmethod
    def of(cls, seen: Pairs, weights: Indices, num_users: int, device: torch.device | str = "cpu") -> Self:
        """Index the seen pairs (in any order; repeated pairs count once) on the given device.

        Args:
            seen: what is never drawn.
            weights: int64[num_items], each 1 at least; 2^31 together at most.
            num_users: of all users.
            device: where the tensors are to lie.
        """
        weight = torch.as_tensor(weights, device=device)
        num_items, ends = len(weight), weight.cumsum(0)
        pairs = sorted_keys(seen, num_items, device)
        users, items = pairs // num_items, pairs % num_items
        counts = torch.bincount(users, minlength=num_users)
        offsets = counts.cumsum(0) - counts
        seen_weight = torch.cat([weight.new_zeros(1), weight[items].cumsum(0)])
        below = (ends - weight)[items] - (seen_weight[:-1] - seen_weight[offsets[users]])
        limits = ends[-1] - (seen_weight[offsets + counts] - seen_weight[offsets])
        return cls(ends, limits, offsets, users * (ends[-1] + 1) + below, seen_weight)

    def select(self, users: Tensor, x: Tensor) -> Tensor:
        """Return the item at each point of the users' unseen weight.

        Args:
            users: int64[...], any shape.
            x: int64 of the same shape, 0 <= x < limits[users].

        Returns:
            int64 item indices of the same shape.
        """
        reached = torch.searchsorted(self.keys, users * (self.ends[-1] + 1) + x, right=True)
        passed = self.seen_weight[reached] - self.seen_weight[self.offsets[users]]
        return torch.searchsorted(self.ends, x + passed, right=True)


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
