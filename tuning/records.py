"""What ncf notes on Optuna's trials, and trials read back as outcomes."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from optuna.trial import FrozenTrial, TrialState

from tuning.minutes import Interval
from tuning.observer import State, TrialOutcome
from tuning.ranges import Range
from tuning.suggest import from_params

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
