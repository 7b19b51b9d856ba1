"""Optuna's trials in our terms: values, states, outcomes, and the time that a study took."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from optuna import Trial
from optuna.trial import FrozenTrial, TrialState

from tuning.problem import State, TrialOutcome
from tuning.ranges import Choices, FloatRange, IntRange, Range, Value, label_of

Interval = tuple[float, float]


def minutes_used(intervals: Iterable[Interval]) -> float:
    """Minutes that at least one of the intervals covers, each from its start to its end in seconds.

    One that ends before it starts (clocks of two machines differ) counts as 0.
    """
    covered, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        covered += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return covered / 60


def suggest(trial: Trial, space: Mapping[str, Range]) -> dict[str, Value]:
    """The trial's value for each searched setting, from the queue or the sampler."""
    return from_params({name: _suggest(trial, name, range_) for name, range_ in space.items()}, space)


def to_params(values: Mapping[str, Value], space: Mapping[str, Range]) -> dict[str, Any]:
    """Values as Optuna stores them."""
    return {name: _label(v) if isinstance(space[name], Choices) else v for name, v in values.items()}


def from_params(params: Mapping[str, Any], space: Mapping[str, Range]) -> dict[str, Value]:
    """Values from what Optuna stored."""
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


class Attr:
    """Keys of a trial's user attributes in Optuna."""

    BEGAN, ENDED = "began", "ended"  # seconds since 1970, UTC
    EPOCHS, BEST_EPOCH, SECONDS = "epochs", "best_epoch", "seconds"
    REASON = "reason"  # why it failed
    INTERRUPTED = "interrupted"  # by Ctrl-C or the observer, not by the death of its process
    QUEUED = "queued"  # what it was queued for; of several trials for the same, the first is run
    RETRY_OF, FOLLOWS = "retry_of", "follows"  # the trial that it repeats: the original one, and the last one
    DEATHS = "deaths"  # how many processes died in the trials that it repeats


BASE = "base"  # what the trial of the initial settings is queued for

QueueState: TypeAlias = Literal["waiting", "running", "duplicate"]


def trial_states(trials: Sequence[FrozenTrial]) -> dict[int, State | QueueState]:
    """State of each trial, by number. A duplicate was queued by another machine at the same time, and is not run."""
    copies = duplicates(trials)
    return {trial.number: "duplicate" if trial.number in copies else _state(trial) for trial in trials}


def duplicates(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the trials that were queued for the same purpose as an earlier trial."""
    seen: set[str] = set()
    copies: set[int] = set()
    for trial in sorted(trials, key=lambda trial: trial.number):
        purpose = trial.user_attrs.get(Attr.QUEUED)
        if purpose in seen:
            copies.add(trial.number)
        elif purpose is not None:
            seen.add(purpose)
    return copies


def interval_of(trial: FrozenTrial) -> Interval | None:
    """Start and end of a trial, or now if it is running; None if it has not started."""
    began = trial.user_attrs.get(Attr.BEGAN)
    if began is None:
        return None
    return began, time.time() if trial.state == TrialState.RUNNING else trial.user_attrs.get(Attr.ENDED, began)


def outcome_of(trial: FrozenTrial, space: Mapping[str, Range]) -> TrialOutcome:
    """The outcome of a trial.

    Raises:
        ValueError: it has not ended.
    """
    attrs, values = trial.user_attrs, trial.values or [None]
    curve = dict(sorted(trial.intermediate_values.items()))
    pruned = trial.state == TrialState.PRUNED
    reached = max(curve.values(), default=None)
    state = _state(trial)
    if state == "waiting" or state == "running":
        raise ValueError(f"trial {trial.number} has not ended: it is {state}")
    return TrialOutcome(
        number=trial.number,
        state=state,
        values=from_params(trial.params, space),
        score=reached if pruned else values[0],
        second=values[1] if len(values) > 1 else None,
        epochs=attrs.get(Attr.EPOCHS),
        best_epoch=attrs.get(Attr.BEST_EPOCH),
        seconds=attrs.get(Attr.SECONDS),
        reason=attrs.get(Attr.REASON, ""),
        curve=curve or None,
        retry_of=attrs.get(Attr.RETRY_OF),
    )


def _state(trial: FrozenTrial) -> State | Literal["waiting", "running"]:
    if trial.state == TrialState.FAIL:
        return "failed" if Attr.REASON in trial.user_attrs else "interrupted"
    return cast('Literal["complete", "pruned", "waiting", "running"]', trial.state.name.lower())
