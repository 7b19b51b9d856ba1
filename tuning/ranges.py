"""Ranges of searched settings, as data."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Self, TypeAlias

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from ncf.config import Settings

Scalar: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr | None
Value: TypeAlias = Scalar | tuple[Scalar, ...]


class FloatRange(Settings):
    """Real numbers from low to high, both included."""

    low: float = Field(description="smallest value, included")
    high: float = Field(description="largest value, included")
    log: bool = Field(default=False, description="draw uniformly on a logarithmic scale")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        _require_below(self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError(f"with log, low must be above 0, got {self.low}")
        return self


class IntRange(Settings):
    """Whole numbers low, low + step, ... up to high."""

    low: int = Field(description="smallest value, included")
    high: int = Field(description="largest value, included")
    step: int = Field(default=1, ge=1, description="distance between values; it divides high - low")
    log: bool = Field(default=False, description="draw uniformly on a logarithmic scale")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        _require_below(self.low, self.high)
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError(f"with log, low must be at least 1 and step 1, got low {self.low} and step {self.step}")
        if (self.high - self.low) % self.step:
            raise ValueError(f"step must divide high - low, got low {self.low}, high {self.high} and step {self.step}")
        return self


class Choices(Settings):
    """Values without an order; a value may be a list, such as the widths of a tower."""

    choices: tuple[Value, ...] = Field(description="the values; at least two")

    @field_validator("choices", mode="after")
    @classmethod
    def _several(cls, choices: tuple[Value, ...]) -> tuple[Value, ...]:
        if len(choices) < 2:
            raise ValueError(f"there must be at least two choices, got {list(choices)}")
        labels = [label_of(choice) for choice in choices]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"each choice must be listed once, got twice: {', '.join(twice)}")
        return choices


Range: TypeAlias = IntRange | FloatRange | Choices  # IntRange first, since {low: 1, high: 8} could be both


def label_of(value: Value) -> str:
    """A value as a short text that identifies it: 1, 1.0 and true differ."""
    return json.dumps(value)


def limits_of(range_: Range) -> tuple[Value, ...]:
    """The values that a searched setting must accept: both ends, or every choice."""
    return range_.choices if isinstance(range_, Choices) else (range_.low, range_.high)


def nearest(range_: Range, value: Value) -> Value:
    """The value of the range that is nearest to another value; for other choices than numbers, the first one."""
    match range_:
        case Choices():
            return _nearest_choice(range_.choices, value)
        case FloatRange():
            return min(max(float(_number(value, range_.low)), range_.low), range_.high)
        case IntRange():
            steps = round((_number(value, range_.low) - range_.low) / range_.step)
            return min(max(range_.low + steps * range_.step, range_.low), range_.high)


def _nearest_choice(choices: tuple[Value, ...], value: Value) -> Value:
    labels = [label_of(choice) for choice in choices]
    if label_of(value) in labels:
        return choices[labels.index(label_of(value))]
    wanted = _number(value, math.nan)
    distances = [abs(_number(choice, math.nan) - wanted) for choice in choices]
    return choices[0] if any(map(math.isnan, distances)) else choices[distances.index(min(distances))]


def _number(value: Value, otherwise: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _require_below(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"low must be below high, got low {low} and high {high}")


GOLDEN = (math.sqrt(5) - 1) / 2  # steps of this fraction of a whole spread evenly


def points_of(range_: Range, number: int) -> tuple[Value, ...]:
    """At most `number` evenly spaced values of a range, with both ends (log: on a logarithmic scale); all choices."""
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
    """All combinations, each once, in an order in which the first ones are spread over the whole grid."""
    points = {name: points_of(range_, number) for name, range_ in space.items()}
    total = math.prod(map(len, points.values()))
    stride = next(step for step in range(max(1, round(total * GOLDEN)), 2 * total + 2) if math.gcd(step, total) == 1)
    return (_combination(points, index * stride % total) for index in range(total))


def _combination(points: Mapping[str, tuple[Value, ...]], index: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, choices in points.items():
        index, digit = divmod(index, len(choices))
        values[name] = choices[digit]
    return values


def _between(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low * (1 - share) + high * share
