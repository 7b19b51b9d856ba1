"""The result of a backtest: as data, as tables, as markdown for the UIs, and on the terminal."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from flows.backtest.replay import Trained, day_of
from flows.backtest.settings import BacktestSettings
from flows.charts.chart import TextTable
from ncf.backtest.plan import Plan, Policy, Window
from ncf.backtest.replay import Replay
from ncf.backtest.scoring import HR, KNOWN, NDCG, POPULARITY, difference_of, mean_of
from ncf.errors import DataError
from ncf.evaluation.metrics import Mean

Scores = Sequence[tuple[Window, pd.DataFrame]]  # the values of each user, by window


class Figure(BaseModel):
    """A mean over the windows with its 95 % interval over users; None if there is none."""

    model_config = ConfigDict(frozen=True)
    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, mean: Mean) -> "Figure":
        """The figure of a mean; JSON has no infinity."""
        known = abs(mean.low) != float("inf")
        return cls(value=mean.value, low=mean.low if known else None, high=mean.high if known else None)

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval of a difference includes 0."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high

    def text(self) -> str:
        """The value with half its interval."""
        return f"{self.value:.4f}" + ("" if self.low is None else f" ±{self.value - self.low:.4f}")

    def signed(self) -> str:
        """The value of a difference with its sign and interval."""
        return f"{self.value:+.4f}" + ("" if self.low is None else f" ({self.low:+.4f} to {self.high:+.4f})")

    def cell(self) -> str:
        """The same, short enough for a table."""
        interval = "" if self.low is None else f" [{self.low:+.4f},{self.high:+.4f}]"
        return f"{self.value:+.4f}{interval}".replace("0.", ".")


class PolicyRow(BaseModel):
    """One policy, or popularity: means over the windows, the cost of its trainings, and how many of them served."""

    name: str
    hr: Figure
    ndcg: Figure
    known: float | None
    trainings: int
    served: int
    seconds: float

    def cells(self) -> list[str]:
        """Texts of the row."""
        known = "" if self.known is None else f"{self.known:.0%}"
        return [
            self.name,
            self.hr.text(),
            self.ndcg.text(),
            known,
            str(self.trainings),
            str(self.served),
            f"{self.seconds:.0f}",
        ]


class Difference(BaseModel):
    """The difference between two policies, paired over the users of every window."""

    ours: str
    theirs: str
    hr: Figure
    ndcg: Figure
    trainings: int
    seconds: float

    def cells(self) -> list[str]:
        """Texts of the row."""
        more = f"{self.trainings:+d} ({self.seconds:+.0f})"
        return [f"{self.ours} vs {self.theirs}", self.hr.cell(), self.ndcg.cell(), more]


class BacktestReport(BaseModel):
    """The result of one backtest.

    Attributes:
        span: first and last day of the windows.
        windows: number of windows with users.
        empty: number of windows without users.
        users: sum over the windows.
        next_steps: commands and pages, by their purpose.
        trained: False if nothing had changed, so that nothing was computed.
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
    next_steps: dict[str, str] = {}
    trained: bool = True

    def verdict(self) -> str:
        """The gain of the most frequent training over the rarest, or over popularity."""
        among = [row for row in self.differences if row.theirs != POPULARITY]
        widest = max(among, key=lambda row: row.trainings, default=self.differences[0])
        chance = "; this may be chance" if widest.ndcg.may_be_chance else ""
        cost = f"for {widest.trainings} more trainings ({widest.seconds:.0f} s)"
        if widest.theirs == POPULARITY:
            return f"{widest.ours} against popularity: NDCG@10 {widest.ndcg.signed()}, {cost}{chance}."
        return f"Retraining {widest.ours} instead of {widest.theirs}: NDCG@10 {widest.ndcg.signed()}, {cost}{chance}."

    def about(self) -> str:
        """What the figures mean."""
        empty = f" {self.empty} more windows had no users." if self.empty else ""
        return (
            f"{self.dataset}, {self.model}: means over {self.windows} windows of {self.window_days} days, {self.span}, "
            f"with {self.users:,} users in all, counted once per window.{empty} ± is half the 95 % interval over "
            "users; brackets show the whole interval."
        )

    def policies(self) -> TextTable:
        """One row per policy, after popularity."""
        header = ["policy", "HR@10", "NDCG@10", "users known", "trainings", "served", "seconds"]
        return TextTable(header, [row.cells() for row in self.rows])

    def tables(self) -> list[TextTable]:
        """The policies, and the differences between them."""
        header = ["difference", "HR@10", "NDCG@10", "trainings (seconds)"]
        return [self.policies(), TextTable(header, [row.cells() for row in self.differences])]

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        tables = [table.markdown() for table in self.tables()]
        run = f"MLflow run `{self.run_id}`, log `{self.fingerprint[:12]}`."
        return "\n\n".join([f"**{self.verdict()}**", self.about(), *tables, run]) + "\n"

    def show(self, console: Console) -> None:
        """Print the tables, the verdict, and what to try next."""
        if not self.trained:
            console.print("\nNothing has changed since this backtest, so nothing was computed. Its result:")
        for table in self.tables():
            console.print(table.terminal(narrow=True))
            console.print()
        console.print(self.verdict(), highlight=False)
        console.print(self.about(), highlight=False)
        lines = [f"{f'{step}:':<24} {line}" for step, line in self.next_steps.items()]
        console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def summarize(
    run_id: str,
    settings: BacktestSettings,
    replay: Replay,
    plan: Plan,
    scores: Scores,
    trained: Mapping[int, Trained],
) -> BacktestReport:
    """Means over the windows with users, and the differences between the policies.

    Raises:
        DataError: no window has a user.
    """
    frames = [frame for _, frame in scores if len(frame)]
    if not frames:
        raise DataError("no user has a new item in any window", do="start earlier, or use a longer log")
    rows = _rows(plan, frames, trained)
    return BacktestReport(
        dataset=settings.dataset,
        model=settings.model,
        run_id=run_id,
        fingerprint=replay.fingerprint,
        span=f"{day_of(plan.windows[0].begin)} to {day_of(plan.windows[-1].end)}",
        window_days=settings.window_days,
        windows=len(frames),
        empty=len(scores) - len(frames),
        users=sum(len(frame) for frame in frames),
        rows=rows,
        differences=_differences(frames, rows),
    )


def _rows(plan: Plan, frames: Sequence[pd.DataFrame], trained: Mapping[int, Trained]) -> list[PolicyRow]:
    def row(name: str, moments: Sequence[int], served: int, known: float | None) -> PolicyRow:
        return PolicyRow(
            name=name,
            hr=Figure.of(mean_of(frames, name, HR)),
            ndcg=Figure.of(mean_of(frames, name, NDCG)),
            known=known,
            trainings=len(moments),
            served=served,
            seconds=sum(trained[moment].seconds for moment in moments),
        )

    def served(policy: Policy) -> int:
        return len({plan.moment(policy, window) for window in plan.windows})

    policies = [
        row(policy.name, plan.moments(policy), served(policy), mean_of(frames, policy.name, KNOWN).value)
        for policy in plan.policies
    ]
    return [row(POPULARITY, [], 0, None), *policies]


def _differences(frames: Sequence[pd.DataFrame], rows: Sequence[PolicyRow]) -> list[Difference]:
    """Each policy against each rarer one, then each against popularity."""
    popularity, *policies = rows
    pairs = [*combinations(policies, 2), *((policy, popularity) for policy in policies)]
    return [
        Difference(
            ours=ours.name,
            theirs=theirs.name,
            hr=Figure.of(difference_of(frames, ours.name, theirs.name, HR)),
            ndcg=Figure.of(difference_of(frames, ours.name, theirs.name, NDCG)),
            trainings=ours.trainings - theirs.trainings,
            seconds=ours.seconds - theirs.seconds,
        )
        for ours, theirs in pairs
    ]
