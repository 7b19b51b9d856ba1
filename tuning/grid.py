"""Every combination of some values of each range."""

import math
from collections.abc import Iterator, Mapping

from tuning.ranges import Choices, FloatRange, IntRange, Range, Value

GOLDEN = (math.sqrt(5) - 1) / 2  # steps of this share of a whole never come near their own trace


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
    """All combinations, each once, in an order that goes to and fro, so that the first ones are from everywhere."""
    points = {name: points_of(range_, number) for name, range_ in space.items()}
    total = math.prod(map(len, points.values()))
    stride = next(step for step in range(max(1, round(total * GOLDEN)), 2 * total + 2) if math.gcd(step, total) == 1)
    return (_combination(points, place * stride % total) for place in range(total))


def _combination(points: Mapping[str, tuple[Value, ...]], place: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, choices in points.items():
        place, digit = divmod(place, len(choices))
        values[name] = choices[digit]
    return values


def _between(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low * (1 - share) + high * share
