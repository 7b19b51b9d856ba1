"""The result of a tuning: as data, as a table, as markdown for the UIs, and on the terminal."""

from pydantic import BaseModel
from rich.console import Console

from flows.charts.tables import TextTable
from flows.tracking.tuned_settings import Tuned
from ncf.content import flatten


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
        """The searched settings, default and tuned; those that differ stand out."""
        base, recipe = flatten(self.tuned.base), flatten(self.tuned.recipe)
        rows = [[name, _short(base[name]), _short(recipe[name])] for name in self.tuned.searched]
        changed = [index for index, (_, default, tuned) in enumerate(rows) if default != tuned]
        return TextTable(["setting", "default", "tuned"], rows, changed)

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
            f"{tuned.storage}, data `{tuned.fingerprint[:12]}`, MLflow run `{self.run_id}`.{parts} A retraining uses "
            "these settings with `--settings tuned`.\n"
        )


class TuneReport(BaseModel):
    """The result of a tuning of one model or of the chain.

    Attributes:
        models: in the order of their tunings.
        retraining: the command that trains with the tuned settings.
    """

    dataset: str
    models: list[ModelReport]
    retraining: str

    def show(self, console: Console) -> None:
        """Print a table and a verdict for each model, and what to do next."""
        for model in self.models:
            console.print()
            table = model.table().terminal(f"{model.tuned.model} on {model.tuned.dataset}; trials: {model.counts()}")
            console.print(table)
            if not model.searched:
                console.print("The budget was already used up: no trial was run.")
            console.print(model.verdict(), highlight=False)
        console.print(
            f"\nTrain with them:         {self.retraining}\n"
            "Continue the search:     the same command with a larger --budget.trials\n"
            "Look at the study:       make optuna; make mlflow (study.html)\n"
            'See every setting:       make tune ARGS="--help"',
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "-".join(str(part) for part in value)
    return "" if value is None else str(value)
