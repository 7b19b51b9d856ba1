"""How long a study has run: interruptions are not counted, and trials side by side are counted once."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from optuna import Trial
from optuna.trial import FrozenTrial, TrialState

from tuning.observer import State, TrialOutcome
from tuning.ranges import Choices, FloatRange, IntRange, Range, Value, label_of

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


BEGAN, ENDED = "began", "ended"  # seconds since 1970, UTC
EPOCHS, BEST_EPOCH, SECONDS, REASON, INTERRUPTED = "epochs", "best_epoch", "seconds", "reason", "interrupted"
QUEUED = "queued"  # what a trial was queued for; the first of several for the same is run
RETRY_OF, FOLLOWS, DEATHS = "retry_of", "follows", "deaths"  # the first of a row, the one before, and how many died
BASE = "base"

Place: TypeAlias = Literal["waiting", "running", "duplicate"]


def places(trials: Sequence[FrozenTrial]) -> dict[int, State | Place]:
    """State of each trial by its number: of those that ended, how; else where it is.

    A trial that was queued for the same as an earlier one, by two machines at once, is a duplicate and is not run.
    """
    copies = duplicates(trials)
    return {trial.number: "duplicate" if trial.number in copies else _place(trial) for trial in trials}


def duplicates(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the trials that were queued for what an earlier trial was queued for."""
    seen: set[str] = set()
    copies: set[int] = set()
    for trial in sorted(trials, key=lambda trial: trial.number):
        purpose = trial.user_attrs.get(QUEUED)
        if purpose in seen:
            copies.add(trial.number)
        elif purpose is not None:
            seen.add(purpose)
    return copies


def interval_of(trial: FrozenTrial) -> Interval | None:
    """When a trial ran, until now if it still does; None if it had not begun."""
    began = trial.user_attrs.get(BEGAN)
    if began is None:
        return None
    return began, time.time() if trial.state == TrialState.RUNNING else trial.user_attrs.get(ENDED, began)


def outcome_of(trial: FrozenTrial, space: Mapping[str, Range]) -> TrialOutcome:
    """A trial that ended.

    Raises:
        ValueError: it has not.
    """
    attrs, values = trial.user_attrs, trial.values or [None]
    curve = dict(sorted(trial.intermediate_values.items()))
    pruned = trial.state == TrialState.PRUNED
    reached = max(curve.values(), default=None)
    state = _place(trial)
    if state == "waiting" or state == "running":
        raise ValueError(f"trial {trial.number} has not ended: it is {state}")
    return TrialOutcome(
        number=trial.number,
        state=state,
        values=from_params(trial.params, space),
        score=reached if pruned else values[0],
        second=values[1] if len(values) > 1 else None,
        epochs=attrs.get(EPOCHS),
        best_epoch=attrs.get(BEST_EPOCH),
        seconds=attrs.get(SECONDS),
        reason=attrs.get(REASON, ""),
        curve=curve or None,
        retry_of=attrs.get(RETRY_OF),
    )


def _place(trial: FrozenTrial) -> State | Literal["waiting", "running"]:
    match trial.state:
        case TrialState.COMPLETE:
            return "complete"
        case TrialState.PRUNED:
            return "pruned"
        case TrialState.WAITING:
            return "waiting"
        case TrialState.RUNNING:
            return "running"
        case _:
            return "failed" if REASON in trial.user_attrs else "interrupted"
