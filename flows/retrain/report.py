"""The result of a retraining: as data, as a table, as markdown for the UIs, and on the terminal."""

from collections.abc import Sequence

from pydantic import BaseModel
from rich.console import Console

from flows.charts.chart import TextTable
from flows.cli.next_command import command, command_line
from flows.retrain.settings import RetrainSettings
from flows.tracking import COLUMNS, EPOCHS, SECONDS
from flows.tracking.tracker import ModelRun

CAPTION = "± is half the 95 % interval over users"
MAX_EMBEDDING_DIM = 4096  # the limit of the setting


class Row(BaseModel):
    """One model in the table."""

    name: str
    run_id: str
    metrics: dict[str, float]

    def cells(self) -> list[str]:
        """Texts of the row: metrics with half the 95 % interval, epochs, seconds."""
        figures = [
            f"{self.metrics[key]:.4f} ±{self.metrics[key + '_ci95']:.3f}".replace("0.", ".") for key in COLUMNS.values()
        ]
        return [self.name, *figures, f"{self.metrics[EPOCHS]:.0f}", f"{self.metrics[SECONDS]:.0f}"]


class Report(BaseModel):
    """The result of one retraining.

    Attributes:
        caveats: clauses if a baseline is better than the best new model, or popularity by the protocol 1 + 99.
        settings: a sentence about where the settings come from.
        champion: the version that serves now.
        recommendations, sample: the file with everybody's recommendations, and its first lines.
        look: where the runs are compared: a page of MLflow, or what serves it.
        next_runs: commands to try next, by what they do.
        trained: False if nothing had changed, so that nothing was trained.
    """

    dataset: str
    fingerprint: str
    run_id: str
    rows: list[Row]
    winner: str
    version: int
    promoted: bool
    reason: str
    caveats: str = ""
    settings: str = ""
    champion: int | None
    recommendations: str | None
    sample: list[str]
    look: str = ""
    next_runs: dict[str, str] = {}
    trained: bool = True

    def verdict(self) -> str:
        """Which version serves now, and why; and whether a baseline is better than the best new model."""
        joined = "; but" if self.promoted else "; and"
        return f"{self._decision()}{f'{joined} {self.caveats}' if self.caveats else ''}."

    def _decision(self) -> str:
        if self.promoted:
            return f"Version {self.version} ({self.winner}) is the new champion: {self.reason}"
        if self.champion is None:
            return f"No champion: version {self.version} ({self.winner}) is {self.reason}"
        return f"Version {self.champion} stays the champion; version {self.version} ({self.winner}) is {self.reason}"

    def winner_metrics(self) -> dict[str, float]:
        """The metrics of the best new model, which stand for the whole retraining."""
        return next(row.metrics for row in self.rows if row.name == self.winner)

    def table(self) -> TextTable:
        """One row per model; the best new one stands out."""
        bold = [index for index, row in enumerate(self.rows) if row.name == self.winner]
        return TextTable(["model", *COLUMNS, "epochs", "seconds"], [row.cells() for row in self.rows], bold)

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        text = (
            f"**{self.verdict()}**\n\n{self.table().markdown()}\n\nTest holdout; {CAPTION}. "
            f"The best model is chosen on the validation holdout. MLflow run `{self.run_id}`, "
            f"data `{self.fingerprint[:12]}`. {self.settings}"
        )
        return text.rstrip() + "\n"

    def show(self, console: Console) -> None:
        """Print the table, the verdict, some recommendations, and what to try next."""
        if not self.trained:
            console.print("\nNothing has changed since the last retraining, so nothing was trained. Its result:")
        console.print(self.table().terminal(f"{self.dataset}, test holdout; {CAPTION}", narrow=True))
        console.print(self.verdict(), highlight=False)
        if self.settings:
            console.print(self.settings, highlight=False)
        if self.recommendations:
            console.print(f"\nRecommendations for every user: {self.recommendations}", highlight=False, soft_wrap=True)
            for line in self.sample:
                console.print(f"  {line}", highlight=False, markup=False, overflow="ellipsis", no_wrap=True)
        steps = {
            "Compare the models": self.look,
            **self.next_runs,
            "See every setting": command_line("retrain", "--help"),
        }
        lines = [f"{f'{step}:':<24} {command}" for step, command in steps.items()]
        console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def rows_of(models: Sequence[ModelRun]) -> list[Row]:
    """One row per model, in this order."""
    return [Row(name=model.name, run_id=model.run_id, metrics=dict(model.metrics)) for model in models]


def next_runs(given: RetrainSettings, ran: RetrainSettings) -> dict[str, str]:
    """Commands that repeat a retraining with one change each, by what they do.

    Args:
        given: the settings as the user gave them.
        ran: the same with the preset or the tuned settings filled in.
    """
    commands = {"Try another seed": command("retrain", given, {"seed": ran.seed + 1})}
    wider = 2 * ran.gmf.model.embedding_dim
    if wider <= MAX_EMBEDDING_DIM:
        commands["Try a wider GMF"] = command("retrain", given, {"gmf.model.embedding_dim": wider})
    return commands
