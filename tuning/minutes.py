"""How long a study has run: interruptions are not counted, and trials side by side are counted once."""

from collections.abc import Iterable

Interval = tuple[float, float]


def minutes_used(intervals: Iterable[Interval]) -> float:
    """Minutes covered by at least one of the intervals.

    Args:
        intervals: begin and end of each trial, in seconds since any common moment, in any order. One that ends before
            it begins (clocks of two machines) covers nothing.
    """
    covered, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        covered += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return covered / 60
