"""The result of a retraining: as data, as a table, as markdown for the UIs, and on the terminal."""

import json
import shlex
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, JsonValue
from rich.console import Console

from flows.charts.tables import TextTable
from flows.prepare.settings import DataSettings
from flows.retrain.resolve_settings import given_values
from flows.retrain.settings import RetrainSettings
from flows.tracking.keys import COLUMNS, EPOCHS, SECONDS
from flows.tracking.tracker import ModelRun
from ncf.config import RECIPES
from ncf.content import flatten
from ncf.ingest.config import MovieLensSource, SourceConfig

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
        steps = {"Look at the runs": "make mlflow", **self.next_runs, "See every setting": 'make retrain ARGS="--help"'}
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


def command(task: str, settings: DataSettings, changes: Mapping[str, JsonValue]) -> str:
    """The command line of a task for the same data and settings as given, with some changes.

    Args:
        task: retrain or tune.
        settings: as the user gave them.
        changes: values by dotted name.
    """
    values = {**_given_options(settings), **changes}
    options = shlex.join(word for name, value in values.items() for word in _option(name, value))
    is_plain = not set(options) & set("\"'$`\\")  # make passes no quotes on
    return f'make {task} ARGS="{options}"' if is_plain else f".venv/bin/python -m flows.{task} {options}"


def _given_options(settings: DataSettings) -> dict[str, JsonValue]:
    """What differs from the defaults, by dotted name; of the models, what the user gave explicitly."""
    recipes = {name.replace("-", "_") for name in RECIPES} & set(type(settings).model_fields)
    given = settings.model_dump(mode="json", exclude_defaults=True, exclude={*recipes, "source", "force"})
    values = flatten(given) | _source_options(settings.source)
    for name in sorted(recipes):
        values |= {f"{name}.{key}": value for key, value in given_values(getattr(settings, name)).items()}
    return values


def _source_options(source: SourceConfig | None) -> dict[str, JsonValue]:
    if source is None:
        return {}
    given = source.model_dump(mode="json", exclude_defaults=True)
    if isinstance(source, MovieLensSource):
        given["name"] = source.name  # which may be the default
    values = flatten({"source": given})
    has_positions = any(isinstance(value, int) and not isinstance(value, bool) for value in values.values())
    return {"source": given} if has_positions else values  # as an option of its own, 2 would be a column named "2"


def _option(name: str, value: JsonValue) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    text = json.dumps(value) if isinstance(value, list | tuple | dict) else str(value)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
