"""Ranges in Optuna's words, and back. Choices go by labels, since Optuna keeps no lists and takes True for 1."""

from collections.abc import Mapping
from typing import Any

from optuna import Trial

from tuning.ranges import Choices, FloatRange, IntRange, Range, Value, label_of


def suggest(trial: Trial, space: Mapping[str, Range]) -> dict[str, Value]:
    """The trial's value for each searched setting: queued, learned or drawn."""
    return from_params({name: _suggest(trial, name, range_) for name, range_ in space.items()}, space)


def to_params(values: Mapping[str, Value], space: Mapping[str, Range]) -> dict[str, Any]:
    """Values as Optuna queues and keeps them."""
    return {name: _label(v) if isinstance(space[name], Choices) else v for name, v in values.items()}


def from_params(params: Mapping[str, Any], space: Mapping[str, Range]) -> dict[str, Value]:
    """Values of what Optuna kept."""
    return {name: _value(space[name], param) for name, param in params.items() if name in space}


def _suggest(trial: Trial, name: str, range_: Range) -> Any:
    match range_:
        case FloatRange():
            return trial.suggest_float(name, range_.low, range_.high, log=range_.log)
        case IntRange():
            return trial.suggest_int(name, range_.low, range_.high, step=range_.step, log=range_.log)
        case Choices():
            return trial.suggest_categorical(name, [_label(choice) for choice in range_.choices])


def _label(value: Value) -> str:
    return value if isinstance(value, str) else label_of(value)


def _value(range_: Range, param: Any) -> Value:
    if isinstance(range_, Choices):
        return next(choice for choice in range_.choices if _label(choice) == param)
    return param  # type: ignore[no-any-return]  # a number, as it was suggested
