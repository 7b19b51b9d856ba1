"""How far a search is: one line on the terminal, a progress artifact in Prefect."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeAlias

from tqdm import tqdm

from flows.shown import Shown
from tuning.config import BudgetConfig
from tuning.observer import State
from tuning.summary import StudySummary

Logger: TypeAlias = logging.Logger | logging.LoggerAdapter[logging.Logger]
Line: TypeAlias = "tqdm[NoReturn]"
COUNTED: tuple[State, ...] = ("complete", "pruned", "failed")  # an interrupted one is run again


def ended_trials(summary: StudySummary) -> int:
    """Trials that are over, those that another did again left out."""
    return sum(summary.states.get(state, 0) for state in COUNTED)


def used_up(summary: StudySummary, budget: BudgetConfig) -> bool:
    """Whether the budget leaves nothing to start."""
    if budget.minutes is not None and summary.minutes >= budget.minutes:
        return True
    return not summary.waiting and ended_trials(summary) + summary.running >= budget.trials


def share_done(summary: StudySummary, budget: BudgetConfig) -> float:
    """How much of the budget is used up, from 0 to 1: by trials or by minutes, whichever is more."""
    by_minutes = summary.minutes / budget.minutes if budget.minutes else 0.0
    return min(1.0, max(ended_trials(summary) / budget.trials, by_minutes))


def minutes_left(summary: StudySummary, budget: BudgetConfig) -> float | None:
    """Minutes until the budget is used up, at the present pace; None as long as there is none."""
    ended = ended_trials(summary)
    left = [] if budget.minutes is None else [budget.minutes - summary.minutes]
    if ended:
        left.append((budget.trials - ended) * summary.minutes / ended)
    return max(0.0, min(left)) if left else None


def describe(model: str, summary: StudySummary, budget: BudgetConfig) -> str:
    """One line: trials by state, the best so far beside the default, and the time left."""
    states = ", ".join(f"{summary.states[state]} {state}" for state in COUNTED if summary.states.get(state))
    parts = [f"{model}: {ended_trials(summary)} of {budget.trials} trials" + (f" ({states})" if states else "")]
    if summary.best is not None:
        first = summary.default.score if summary.default else None
        beside = f", default {first:.4f}" if first is not None else ""
        parts.append(f"best NDCG@10 {summary.best.score:.4f} (trial {summary.best.number}{beside})")
    left = minutes_left(summary, budget)
    if left is not None and not used_up(summary, budget):
        parts.append(f"{left:.0f} min left" if left >= 1 else "less than a minute left")
    return ", ".join(parts)


class Progress:
    """Shows a search as it goes on.

    Args:
        model: its name.
        budget: of the study.
        artifact: in Prefect.
        line: on the terminal.
        logger: is told of each new best trial.
    """

    def __init__(self, model: str, budget: BudgetConfig, artifact: Shown, line: Line, logger: Logger) -> None:
        self.model, self.budget, self.artifact, self.line, self.logger = model, budget, artifact, line, logger
        self.shown, self.best = "", -1

    def show(self, summary: StudySummary) -> None:
        """Show how it stands, if that has changed."""
        text = describe(self.model, summary, self.budget)
        if text != self.shown:
            self.shown = text
            self.line.set_description_str(text)
            self.artifact.tell(share_done(summary, self.budget), text)
        if summary.best is not None and summary.best.number != self.best:
            self.best = summary.best.number
            self.logger.info(text)


@contextmanager
def progress(model: str, budget: BudgetConfig, key: str, logger: Logger) -> Iterator[Progress]:
    """Begin to show a search."""
    artifact = Shown(key, f"{model}: the search begins")
    line: Line
    with tqdm(bar_format="{desc}", dynamic_ncols=True, disable=None) as line:
        yield Progress(model, budget, artifact, line, logger)
