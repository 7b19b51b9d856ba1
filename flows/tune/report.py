"""How far a search is: one line on the terminal, a progress artifact in Prefect."""

import logging
from typing import TypeAlias

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from flows.orchestration.artifacts import Progress
from flows.tracking.tuned_settings import Tuned
from ncf.content import flatten
from tuning.config import BudgetConfig
from tuning.observer import State
from tuning.summary import StudySummary

Logger: TypeAlias = logging.Logger | logging.LoggerAdapter[logging.Logger]
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


class SearchProgress:
    """Shows how far a search is, and logs each new best trial.

    Args:
        model: its name.
        budget: of the study.
        progress: in Prefect and on the terminal.
        logger: of the run.
    """

    def __init__(self, model: str, budget: BudgetConfig, progress: Progress, logger: Logger) -> None:
        self.model, self.budget, self.progress, self.logger, self.best = model, budget, progress, logger, -1

    def show(self, summary: StudySummary) -> None:
        """Show the state of the study."""
        text = describe(self.model, summary, self.budget)
        self.progress.update(share_done(summary, self.budget), text)
        if summary.best is not None and summary.best.number != self.best:
            self.best = summary.best.number
            self.logger.info(text)


class ModelReport(BaseModel):
    """What was found for one model.

    Attributes:
        run_id: MLflow run of the tuning.
        tuned: the file tuned.json in it.
        searched: whether any trial was run now.
    """

    run_id: str
    tuned: Tuned
    searched: bool = True

    @property
    def header(self) -> list[str]:
        """Column titles of the settings."""
        return ["setting", "default", "tuned"]

    def rows(self) -> list[list[str]]:
        """The searched settings."""
        base, recipe = flatten(self.tuned.base), flatten(self.tuned.recipe)
        return [[name, _short(base[name]), _short(recipe[name])] for name in self.tuned.searched]

    def verdict(self) -> str:
        """How good the winner is, and whether it is believed."""
        tuned, gain = self.tuned, self.tuned.gain
        if tuned.winner == tuned.base:
            return f"{tuned.model}: no trial was better than the default; it stays."
        seeds = f"{len(tuned.confirm_seeds)} further seed{'s' if len(tuned.confirm_seeds) > 1 else ''}"
        figures = (
            f"validation NDCG@10 {tuned.winner_mean:.4f} against {tuned.base_mean:.4f}, mean of "
            f"{seeds} (gain {gain.mean:+.4f}, "
            f"95 % interval {gain.low:+.4f} to {gain.high:+.4f})"
        )
        if not tuned.believed:
            return f"{tuned.model}: trial {tuned.trial} is not believed, the default stays: {figures}."
        chance = "; it may be chance" if gain.low <= 0 else ""
        return f"{tuned.model}: trial {tuned.trial} is better than the default: {figures}{chance}."

    def counts(self) -> str:
        """Trials by state."""
        return ", ".join(f"{number} {state}" for state, number in self.tuned.trials.items() if number)

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        lines = [self.header, ["---"] * len(self.header), *self.rows()]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        tuned = self.tuned
        parts = " It starts from the GMF and MLP in `tuned.json`." if tuned.parts else ""
        return (
            f"**{self.verdict()}**\n\n{table}\n\nTrials: {self.counts()}. Study `{tuned.study}` in {tuned.storage}, "
            f"data `{tuned.fingerprint[:12]}`, MLflow run `{self.run_id}`.{parts} A retraining takes these settings "
            "with `--settings tuned`.\n"
        )

    def table(self) -> Table:
        """For the terminal."""
        title = f"{self.tuned.model} on {self.tuned.dataset}; trials: {self.counts()}"
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for column in self.header:
            table.add_column(column, justify="left" if column == "setting" else "right", no_wrap=True)
        for row in self.rows():
            table.add_row(*row, style="bold" if row[1] != row[2] else None)
        return table


class TuneReport(BaseModel):
    """The result of one tuning, of one model or of the chain."""

    dataset: str
    models: list[ModelReport]

    def show(self, console: Console) -> None:
        """A table and a verdict for each model, and what to do next."""
        for model in self.models:
            console.print()
            console.print(model.table())
            if not model.searched:
                console.print("The budget was used up before: no trial was run.")
            console.print(model.verdict(), highlight=False)
        named = "" if self.dataset == "ml-100k" else f"--dataset {self.dataset} "
        console.print(
            f'\nTrain with them:         make retrain ARGS="{named}--settings tuned"\n'
            "Search on:               the same command with a larger --budget.trials\n"
            "Look at the study:       make optuna; make mlflow (study.html)\n"
            'See every setting:       make tune ARGS="--help"',
            highlight=False,
            markup=False,
        )


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "-".join(str(part) for part in value)
    return "" if value is None else str(value)
