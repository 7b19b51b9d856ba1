"""Random numbers by counter, against a plain computation in Python's integers."""

import torch
from scipy.stats import chisquare

from ncf.splitmix import counters_of, derived_seed, random_below, random_bits

MASK = 2**64 - 1


def by_hand(seed: int, counter: int) -> int:
    """SplitMix64 as published, in unbounded integers."""
    z = (seed + counter * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_the_published_sequence() -> None:
    first = [number & MASK for number in random_bits(1234567, torch.arange(1, 6)).tolist()]
    assert first == [  # the reference implementation's first five of this seed
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_bits_are_those_of_a_plain_computation() -> None:
    counters = torch.tensor([[0, 1, 2], [10**6, 10**12, 2**62]])
    for seed in (0, 1, 2**62, 2**63 - 1):
        expected = [[by_hand(seed, counter) for counter in row] for row in counters.tolist()]
        assert [[value & MASK for value in row] for row in random_bits(seed, counters).tolist()] == expected


def test_numbers_below_a_limit_are_uniform() -> None:
    drawn = random_below(random_bits(5, torch.arange(70_000)), torch.tensor(7))
    counts = torch.bincount(drawn)
    assert len(counts) == 7
    assert chisquare(counts.numpy()).pvalue > 0.001


def test_numbers_below_a_limit_are_in_range_at_the_ends() -> None:
    least, most = torch.tensor([0, 2**32 - 1]), torch.tensor([-1, -(2**32)])  # upper halves: 0, 0 and all ones
    for limit in (1, 2, 1000, 2**31):
        assert random_below(least, torch.tensor(limit)).tolist() == [0, 0]
        assert random_below(most, torch.tensor(limit)).tolist() == [limit - 1, limit - 1]


def test_each_row_has_counters_of_its_own() -> None:
    assert counters_of(torch.tensor([0, 2, 1]), 3).tolist() == [[0, 1, 2], [6, 7, 8], [3, 4, 5]]


def test_seeds_of_different_purposes_do_not_meet() -> None:
    derived = [derived_seed(seed, stream, n) for seed in range(-3, 30) for stream in (1, 2, 3) for n in range(30)]
    assert len(set(derived)) == len(derived)
    assert all(0 <= seed < 2**63 for seed in derived)
    assert derived_seed(0, 1) != derived_seed(0, 1, 0)
    assert derived_seed(0, 1, 2) != derived_seed(0, 2, 1)


def test_derived_seeds_have_no_favourite_bits() -> None:
    derived = [derived_seed(seed, 1, n) for seed in range(50) for n in range(50)]
    for bit in range(63):
        share = sum(seed >> bit & 1 for seed in derived) / len(derived)
        assert 0.45 < share < 0.55, bit
