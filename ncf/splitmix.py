"""Random numbers as a function of (seed, counter): the same on any device, and for any share of the work.

SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): number c of a seed is a
finaliser of seed + c * GAMMA, in integers modulo 2^64.
"""

import torch
from torch import Tensor

GAMMA, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
FINALISER = ((30, FIRST), (27, SECOND))
LAST_SHIFT = 31
MASK = 2**64 - 1


def derived_seed(seed: int, *stream: int) -> int:
    """A seed for one purpose, from 0 to 2^63 - 1: streams of one seed, or of neighbouring seeds, do not overlap."""
    mixed = seed & MASK
    for number in stream:
        mixed = (mixed + GAMMA * (number + 1)) & MASK
        for shift, factor in FINALISER:
            mixed = ((mixed ^ (mixed >> shift)) * factor) & MASK
        mixed ^= mixed >> LAST_SHIFT
    return mixed & (2**63 - 1)


def random_bits(seed: int, counters: Tensor) -> Tensor:
    """64 random bits for each counter.

    Args:
        seed: 0 to 2^63 - 1; one for each use.
        counters: int64[...].

    Returns:
        int64 of the same shape and on the same device.
    """
    bits = counters * _signed(GAMMA) + _signed(seed)
    for shift, factor in FINALISER:
        bits = (bits ^ _shifted(bits, shift)) * _signed(factor)
    return bits ^ _shifted(bits, LAST_SHIFT)


def random_below(bits: Tensor, limits: Tensor) -> Tensor:
    """Whole numbers from 0 to limit - 1, from the upper 32 bits (Lemire, "Fast random integer generation", 2019).

    No number is more likely than another by more than limit / 2^32.

    Args:
        bits: int64[...], of `random_bits`.
        limits: int64, of the same shape or broadcast to it; 1 to 2^31.
    """
    return (_shifted(bits, 32) * limits) >> 32


def _shifted(bits: Tensor, places: int) -> Tensor:
    """Shift right with zeros from the left: torch's own shift repeats the sign."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    """The int64 with these 64 bits."""
    return number - 2**64 if number >= 2**63 else number


def counters_of(rows: Tensor, per_row: int) -> Tensor:
    """Counters of `per_row` numbers for each row: int64[B] -> int64[B, per_row], different for different rows."""
    return rows[:, None] * per_row + torch.arange(per_row, device=rows.device)
