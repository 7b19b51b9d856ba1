"""What a tuning found: as a table for the terminal, and as markdown for the UIs."""

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from flows.tuned import Tuned
from ncf.content import flatten


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
