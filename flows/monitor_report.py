"""What a look at the data found: as data, as a table for the terminal, and as markdown for the UIs."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from flows.monitor_rows import HEADER, rows_of
from ncf.monitoring.config import ThresholdConfig
from ncf.monitoring.findings import Findings
from ncf.monitoring.verdict import Passed

Status: TypeAlias = Literal["NoChampion", "LogFault", "NothingNew", "Quiet", "Drifted"]


class MonitorReport(BaseModel):
    """The result of one look.

    Attributes:
        dataset: the data set's name.
        checked: when.
        version, kind: the champion and its model; None and empty if there is none.
        thresholds: what the figures were held against.
        findings: None without a champion, or if the log can't be read.
        passed: thresholds that are passed, faults first.
        said: what was done about it.
        run_id: MLflow's run; empty without a champion.
    """

    dataset: str
    checked: datetime
    version: int | None = None
    kind: str = ""
    thresholds: ThresholdConfig = ThresholdConfig()
    findings: Findings | None = None
    passed: list[Passed] = []
    said: str = ""
    run_id: str = ""

    def of_kind(self, kind: Literal["drift", "fault"]) -> list[Passed]:
        """The passed thresholds of a kind."""
        return [one for one in self.passed if one.kind == kind]

    @property
    def status(self) -> Status:
        """What it comes down to, in a word; also the name of the flow run's state."""
        if self.version is None:
            return "NoChampion"
        if self.of_kind("fault"):
            return "LogFault"
        if self.of_kind("drift"):
            return "Drifted"
        return "Quiet" if self.findings is not None and self.findings.new else "NothingNew"

    def verdict(self) -> str:
        """What it comes down to, in a sentence or a few."""
        since = f"since the champion, version {self.version} ({self.kind}), was trained"
        words = "; ".join(one.words for one in self.passed)
        match self.status:
            case "NoChampion":
                return f"There is no champion of {self.dataset} to compare the log with: make retrain."
            case "LogFault":
                return f"Look at the log of {self.dataset}: {words}. {self.said}".strip()
            case "Drifted":
                return f"{self.dataset} has changed {since}: {words}. {self.said}".strip()
            case "NothingNew":
                return f"Nothing new {since}."
        new = 0 if self.findings is None else self.findings.new
        if new < self.thresholds.min_interactions:
            few = f"fewer than the {self.thresholds.min_interactions:,} from which on it is judged"
            return f"{new:,} new interactions {since}, {few}."
        return f"{new:,} new interactions {since}; no threshold is passed."

    def rows(self) -> list[list[str]]:
        """The table's rows: what, before, since, threshold."""
        return [] if self.findings is None else rows_of(self.findings, self.thresholds)

    def table_rows(self) -> list[dict[str, str]]:
        """For Prefect's table artifact."""
        return [dict(zip(HEADER, row, strict=True)) for row in self.rows()]

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        lines = [list(HEADER), ["---", "---:", "---:", "---:"], *self.rows()]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines) if self.findings else ""
        passed = "\n".join(f"- **{one.name}**: {one.words}" for one in self.passed)
        parts = [f"**{self.verdict()}**", passed, table, f"Checked {self.checked:%Y-%m-%d %H:%M:%S} UTC."]
        return "\n\n".join(part for part in parts if part) + "\n"

    def show(self, console: Console) -> None:
        """The table, the verdict, and what to do next."""
        if self.findings is not None:
            console.print(self._table())
        console.print(self.verdict(), highlight=False, markup=False)
        if self.version is not None:
            console.print(
                "\nSee how it went over time: make mlflow, experiment "
                f"{self.dataset}, run monitor {self.dataset} version {self.version}\n"
                'See every threshold:       make monitor ARGS="--help"',
                highlight=False,
                markup=False,
            )

    def _table(self) -> Table:
        title = f"{self.dataset} since version {self.version} ({self.kind}) was trained"
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for place, column in enumerate(HEADER):
            table.add_column(column, justify="right" if place else "left", no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        return table
