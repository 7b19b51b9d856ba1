"""Every combination of some values of each range."""

import itertools
import math
from collections.abc import Iterator, Mapping

from tuning.ranges import Choices, FloatRange, IntRange, Range, Value


def points_of(range_: Range, number: int) -> tuple[Value, ...]:
    """At most so many values of a range, its ends among them, evenly apart (with log: in ratio); every choice."""
    match range_:
        case Choices():
            return range_.choices
        case FloatRange():
            inner = [_between(range_.low, range_.high, i / (number - 1), range_.log) for i in range(1, number - 1)]
            return (range_.low, *inner, range_.high)
        case IntRange():
            exact = [_between(range_.low, range_.high, i / (number - 1), range_.log) for i in range(number)]
            steps = dict.fromkeys(round((value - range_.low) / range_.step) for value in exact)
            return tuple(range_.low + step * range_.step for step in steps)


def grid(space: Mapping[str, Range], number: int) -> Iterator[dict[str, Value]]:
    """All combinations, the last setting changing fastest."""
    points = [points_of(range_, number) for range_ in space.values()]
    return (dict(zip(space, values, strict=True)) for values in itertools.product(*points))


def _between(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
