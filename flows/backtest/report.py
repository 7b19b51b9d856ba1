"""What a backtest found: as data, as tables for the terminal, and as markdown for the UIs."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from rich import box
from rich.console import Console
from rich.table import Table

from ncf.backtest.scoring import POPULARITY
from ncf.evaluation.metrics import Mean


class Figure(BaseModel):
    """A mean over the windows with its 95 % interval over users; None if there is none."""

    model_config = ConfigDict(frozen=True)
    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, mean: Mean) -> "Figure":
        """JSON knows no infinity."""
        known = abs(mean.low) != float("inf")
        return cls(value=mean.value, low=mean.low if known else None, high=mean.high if known else None)

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval of a difference has both signs."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high

    def text(self) -> str:
        """With half the interval's width."""
        return f"{self.value:.4f}" + ("" if self.low is None else f" ±{self.value - self.low:.4f}")

    def signed(self) -> str:
        """With its sign and interval, in words."""
        return f"{self.value:+.4f}" + ("" if self.low is None else f" ({self.low:+.4f} to {self.high:+.4f})")

    def cell(self) -> str:
        """The same for a narrow table."""
        interval = "" if self.low is None else f" [{self.low:+.4f},{self.high:+.4f}]"
        return f"{self.value:+.4f}{interval}".replace("0.", ".")


class PolicyRow(BaseModel):
    """One policy, or popularity: means over the windows, and what it cost."""

    name: str
    hr: Figure
    ndcg: Figure
    known: float | None
    trainings: int
    seconds: float

    def cells(self) -> list[str]:
        """Text of the row."""
        known = "" if self.known is None else f"{self.known:.0%}"
        return [self.name, self.hr.text(), self.ndcg.text(), known, str(self.trainings), f"{self.seconds:.0f}"]


class Difference(BaseModel):
    """One policy instead of another, paired over the users of every window."""

    ours: str
    theirs: str
    hr: Figure
    ndcg: Figure
    trainings: int
    seconds: float

    def cells(self) -> list[str]:
        """Text of the row."""
        more = f"{self.trainings:+d} ({self.seconds:+.0f})"
        return [f"{self.ours} vs {self.theirs}", self.hr.cell(), self.ndcg.cell(), more]


class BacktestReport(BaseModel):
    """The result of one backtest.

    Attributes:
        span: first and last day of the windows, in words.
        windows: judged ones, with their `users`, counted anew in each.
        empty: windows in which nothing came.
        trained: whether anything was computed now.
    """

    dataset: str
    model: str
    run_id: str
    fingerprint: str
    span: str
    window_days: int
    windows: int
    empty: int
    users: int
    rows: list[PolicyRow]
    differences: list[Difference]
    trained: bool = True

    header: ClassVar[tuple[str, ...]] = ("policy", "HR@10", "NDCG@10", "users known", "trainings", "seconds")
    differences_header: ClassVar[tuple[str, ...]] = ("difference", "HR@10", "NDCG@10", "trainings (seconds)")

    def verdict(self) -> str:
        """What the most frequent training brings, instead of the rarest, or of popularity."""
        among = [row for row in self.differences if row.theirs != POPULARITY]
        widest = max(among, key=lambda row: row.trainings, default=self.differences[0])
        chance = "; that may be chance" if widest.ndcg.may_be_chance else ""
        cost = f"for {widest.trainings} trainings more ({widest.seconds:.0f} s)"
        if widest.theirs == POPULARITY:
            return f"{widest.ours} against popularity: NDCG@10 {widest.ndcg.signed()}, {cost}{chance}."
        return f"Retraining {widest.ours} instead of {widest.theirs}: NDCG@10 {widest.ndcg.signed()}, {cost}{chance}."

    def about(self) -> str:
        """What the figures are."""
        empty = f" In {self.empty} more nothing came." if self.empty else ""
        return (
            f"{self.dataset}, {self.model}: means over {self.windows} windows of {self.window_days} days, {self.span}, "
            f"with {self.users:,} users together, counted anew in each.{empty} ± is half the 95 % interval over "
            "users, the brackets are all of it."
        )

    def tables(self) -> list[tuple[tuple[str, ...], list[list[str]]]]:
        """Header and rows of the policies, and of their differences."""
        return [
            (self.header, [row.cells() for row in self.rows]),
            (self.differences_header, [row.cells() for row in self.differences]),
        ]

    def table_rows(self) -> list[dict[str, Any]]:
        """For Prefect's table artifact."""
        return [dict(zip(self.header, row.cells(), strict=True)) for row in self.rows]

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        parts = [f"**{self.verdict()}**", self.about()]
        for header, rows in self.tables():
            lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
            parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
        parts.append(f"MLflow run `{self.run_id}`, log `{self.fingerprint[:12]}`.")
        return "\n\n".join(parts) + "\n"

    def show(self, console: Console) -> None:
        """The tables, the verdict, and what to do next."""
        if not self.trained:
            console.print("\nNothing has changed since this backtest was done. The result was:")
        for header, rows in self.tables():
            console.print(_table(header, rows))
            console.print()
        console.print(self.verdict(), highlight=False)
        console.print(self.about(), highlight=False)
        console.print(
            "\nLook at the curves:      make mlflow (backtest.html, backtest.png)\n"
            'Other policies:          make backtest ARGS="--policies weekly,10d,never"\n'
            'Another model:           make backtest ARGS="--model neumf"\n'
            'See every setting:       make backtest ARGS="--help"',
            highlight=False,
            markup=False,
        )


def _table(header: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for number, column in enumerate(header):
        table.add_column(column.replace(" ", "\n"), justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
