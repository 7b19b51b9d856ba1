"""The result of a tuning: as data, as a table, as markdown for the UIs, and on the terminal."""

from collections.abc import Sequence

from pydantic import BaseModel, JsonValue, TypeAdapter
from rich.console import Console

from flows.charts.chart import TextTable
from flows.tracking.tuned_settings import Tuned
from ncf.config import flatten
from tuning.problem import TrialOutcome

ANYTHING: TypeAdapter[object] = TypeAdapter(object)


class ModelReport(BaseModel):
    """The result for one model.

    Attributes:
        run_id: MLflow run of the tuning.
        tuned: the file tuned.json in it.
        searched: whether this tuning ran any trial.
    """

    run_id: str
    tuned: Tuned
    searched: bool = True

    def table(self) -> TextTable:
        """The searched settings: the default, what was tried, and the best trial's; those that differ stand out."""
        tuned = self.tuned
        base, winner = flatten(tuned.base), flatten(tuned.winner)
        rows = [[name, _short(base[name]), _tried(tuned.tried.get(name, []))] for name in tuned.searched]
        if tuned.winner == tuned.base:  # it would repeat the default
            return TextTable(["setting", "default", "tried"], rows)
        rows = [[*row, _short(winner[name])] for name, row in zip(tuned.searched, rows, strict=True)]
        changed = [index for index, row in enumerate(rows) if row[1] != row[3]]
        best = "tuned" if tuned.believed else f"trial {tuned.trial}, not used"
        return TextTable(["setting", "default", "tried", best], rows, changed)

    @property
    def is_better(self) -> bool:
        """Whether a retraining with the tuned settings would take others than the default ones."""
        return self.tuned.recipe != self.tuned.base

    def verdict(self) -> str:
        """How good the winner is, and whether its settings are used."""
        tuned, gain = self.tuned, self.tuned.gain
        if tuned.winner == tuned.base:
            return f"{tuned.model}: no trial was better than the default settings, which stay."
        seeds = f"{len(tuned.confirm_seeds)} further seed{'s' if len(tuned.confirm_seeds) > 1 else ''}"
        figures = (
            f"validation NDCG@10 {tuned.winner_mean:.4f} against {tuned.base_mean:.4f}, mean of "
            f"{seeds} (gain {gain.mean:+.4f}, "
            f"95 % interval {gain.low:+.4f} to {gain.high:+.4f})"
        )
        if not tuned.believed:
            return f"{tuned.model}: trial {tuned.trial} is not confirmed, the default settings stay: {figures}."
        chance = "; this may be chance" if gain.low <= 0 else ""
        return f"{tuned.model}: trial {tuned.trial} is better than the default settings: {figures}{chance}."

    def counts(self) -> str:
        """Numbers of trials by state."""
        return ", ".join(f"{number} {state}" for state, number in self.tuned.trials.items() if number)

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        tuned = self.tuned
        parts = " It starts from the GMF and MLP in `tuned.json`." if tuned.parts else ""
        return (
            f"**{self.verdict()}**\n\n{self.table().markdown()}\n\nTrials: {self.counts()}. Study `{tuned.study}` in "
            f"{tuned.storage}, data `{tuned.fingerprint[:12]}`, MLflow run `{self.run_id}`.{parts} A "
            f"retraining of the same data {'uses these settings' if self.is_better else 'trains as before'} with "
            "`--settings tuned`.\n"
        )


class TuneReport(BaseModel):
    """The result of a tuning of one model or of the chain.

    Attributes:
        models: in the order of their tunings.
        next_steps: commands and pages, by their purpose.
    """

    dataset: str
    models: list[ModelReport]
    next_steps: dict[str, str] = {}

    def show(self, console: Console) -> None:
        """Print a table and a verdict for each model, and what to do next."""
        for model in self.models:
            console.print()
            table = model.table().terminal(f"{model.tuned.model} on {model.tuned.dataset}; trials: {model.counts()}")
            console.print(table)
            if not model.searched:
                console.print("The budget was already used up: no trial was run.")
            console.print(model.verdict(), highlight=False)
        lines = [f"{f'{step}:':<24} {line}" for step, line in self.next_steps.items()]
        console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def tried_values(trials: Sequence[TrialOutcome], names: Sequence[str]) -> dict[str, list[JsonValue]]:
    """Of each setting the values of some trials: of numbers the smallest and the largest, of others every one."""
    tried: dict[str, list[JsonValue]] = {}
    for name in names:
        values = [trial.values[name] for trial in trials if name in trial.values]
        found: list[JsonValue] = [ANYTHING.dump_python(value, mode="json") for value in values]
        numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
        if found and len(numbers) == len(found):
            tried[name] = [min(numbers), max(numbers)] if len(set(numbers)) > 1 else [numbers[0]]
        else:
            tried[name] = [value for index, value in enumerate(found) if value not in found[:index]]
    return tried


def _tried(values: list[JsonValue]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    between = " to " if len(values) == len(numbers) else ", "
    return between.join(map(_short, values))


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "-".join(str(part) for part in value)
    return "" if value is None else str(value)
