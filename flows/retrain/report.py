"""What a retraining found: as data, as a table for the terminal, and as markdown for the UIs."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from flows.tracking.keys import COLUMNS, EPOCHS, SECONDS
from flows.tracking.tracking import ModelRun


class Row(BaseModel):
    """One model in the table."""

    name: str
    run_id: str
    metrics: dict[str, float]

    def cells(self) -> list[str]:
        """Text of the row: figures with half the 95 % interval, epochs, seconds."""
        figures = [
            f"{self.metrics[key]:.4f} ±{self.metrics[key + '_ci95']:.3f}".replace("0.", ".") for key in COLUMNS.values()
        ]
        return [self.name, *figures, f"{self.metrics[EPOCHS]:.0f}", f"{self.metrics[SECONDS]:.0f}"]


class Report(BaseModel):
    """The result of one retraining."""

    dataset: str
    fingerprint: str
    run_id: str
    rows: list[Row]
    winner: str
    version: int
    promoted: bool
    reason: str
    baseline: str = ""
    settings: str = ""
    champion: int | None
    recommendations: str | None
    sample: list[str]
    trained: bool = True

    @property
    def header(self) -> list[str]:
        """Column titles."""
        return ["model", *COLUMNS, "epochs", "seconds"]

    def verdict(self) -> str:
        """Which version serves now, and why; and whether a baseline is better than the best new model."""
        return f"{self._decision()} {self.baseline}".strip()

    def _decision(self) -> str:
        if self.promoted:
            return f"Version {self.version} ({self.winner}) is the new champion: {self.reason}."
        if self.champion is None:
            return f"No champion: version {self.version} ({self.winner}) is {self.reason}."
        return f"Version {self.champion} stays the champion; version {self.version} ({self.winner}) is {self.reason}."

    def winner_metrics(self) -> dict[str, float]:
        """The best new model's figures, which stand for the whole retraining."""
        return next(row.metrics for row in self.rows if row.name == self.winner)

    def table(self) -> Table:
        """For the terminal."""
        title = f"{self.dataset}, test holdout; ± is half the 95 % interval over users"
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
        for column in self.header:
            words = column.replace(" ", "\n")
            table.add_column(words, justify="left" if column == "model" else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row.cells(), style="bold" if row.name == self.winner else None)
        return table

    def table_rows(self) -> list[dict[str, Any]]:
        """For Prefect's table artifact."""
        return [dict(zip(self.header, row.cells(), strict=True)) for row in self.rows]

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *(row.cells() for row in self.rows)]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return (
            f"**{self.verdict()}**\n\n{table}\n\nTest holdout; ± is half the 95 % interval over users. "
            f"The best model is chosen on the validation holdout. MLflow run `{self.run_id}`, "
            f"data `{self.fingerprint[:12]}`. {self.settings}".rstrip()
            + "\n"
        )

    def show(self, console: Console) -> None:
        """The table, the verdict, some recommendations, and what to do next."""
        if not self.trained:
            console.print("\nNothing has changed since the last retraining, so nothing was trained. The result was:")
        console.print(self.table())
        console.print(self.verdict(), highlight=False)
        if self.settings:
            console.print(self.settings, highlight=False)
        if self.recommendations:
            console.print(f"\nRecommendations for every user: {self.recommendations}", highlight=False, soft_wrap=True)
            for line in self.sample:
                console.print(f"  {line}", highlight=False, markup=False, overflow="ellipsis", no_wrap=True)
        console.print(
            "\nLook at the runs:        make mlflow\n"
            'Try another seed:        make retrain ARGS="--seed 1"\n'
            'Try a wider GMF:         make retrain ARGS="--gmf.model.embedding-dim 64"\n'
            'See every setting:       make retrain ARGS="--help"',
            highlight=False,
            markup=False,
        )


def rows_of(models: Sequence[ModelRun]) -> list[Row]:
    """Rows in the order given."""
    return [Row(name=model.name, run_id=model.run_id, metrics=dict(model.metrics)) for model in models]
