"""The plan of a backtest: policies, which say how often a model is retrained, and windows in which models serve."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, Self, TypeAlias

from ncf.data.history import DAY
from ncf.data.times import shown, time_of
from ncf.errors import ConfigError, DataError

NEVER = "never"
Rule: TypeAlias = Literal["wins ties", "surely better"]  # those of promotion.newer_data
RULES: Mapping[str, Rule] = MappingProxyType({"-wins-ties": "wins ties", "-surely-better": "surely better"})
NAMED: Mapping[str, int] = MappingProxyType({"monthly": 28, "weekly": 7, "daily": 1})  # a month is four weeks
EVERY = re.compile(r"([1-9][0-9]{0,3})d")
PATTERN = f"^({NEVER}|({'|'.join((*NAMED, EVERY.pattern))})({'|'.join(RULES)})?)$"
ALLOWED = (
    f"{NEVER}, {', '.join(NAMED)}, or a number of days, such as 10d; with {' or '.join(RULES)} at its end, the model "
    "must pass the gate"
)


@dataclass(frozen=True)
class Policy:
    """How often a model is retrained, and which of the new models serve.

    Attributes:
        name: such as weekly, 10d or weekly-wins-ties.
        days: between two trainings; None: the first model serves forever.
        rule: of the gate that a new model must pass; None: every new model serves.
    """

    name: str
    days: int | None
    rule: Rule | None = None

    @classmethod
    def named(cls, name: str) -> Self:
        """The policy of a name.

        Raises:
            ValueError: there is none of this name.
        """
        end = next((end for end in RULES if name.endswith(end)), "")
        step = name.removesuffix(end)
        every = EVERY.fullmatch(step)
        if step not in NAMED and every is None and name != NEVER:
            raise ValueError(f"unknown policy {name!r}; allowed: {ALLOWED}")
        return cls(name, int(every[1]) if every else NAMED.get(step), RULES.get(end))

    def rarer(self, factor: int) -> Self:
        """The policy with so many times the days between two trainings."""
        if self.days is None:
            return self
        days = self.days * factor
        step = next((name for name, its in NAMED.items() if its == days), f"{days}d")
        return replace(self, name=step + next((end for end, rule in RULES.items() if rule == self.rule), ""), days=days)

    @property
    def interval(self) -> float:
        """Days between two trainings, for ordering: infinite for never."""
        return float("inf") if self.days is None else self.days


LEARNED_SHARE = 4  # by default a quarter of the log comes before the first training


@dataclass(frozen=True)
class Window:
    """A span of time in which models serve and are scored.

    Attributes:
        number: from 1.
        begin, end: microseconds since the epoch; the end belongs to the next one.
    """

    number: int
    begin: int
    end: int


@dataclass(frozen=True)
class Plan:
    """What a backtest does.

    Attributes:
        windows: consecutive, without gaps; the first begins with the first training.
        policies: the policies to compare.
        promoted: name of a policy with a gate -> the moments whose models passed it, as far as the backtest has come.
    """

    windows: tuple[Window, ...]
    policies: tuple[Policy, ...]
    promoted: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def moment(self, policy: Policy, window: Window) -> int:
        """When the model that serves in this window under this policy was trained; never after the window has begun."""
        due = self.due(policy, window)
        return max(moment for moment in self.promoted.get(policy.name, (due,)) if moment <= due)

    def due(self, policy: Policy, window: Window) -> int:
        """When this policy has trained last before this window."""
        start = self.windows[0].begin
        if policy.days is None:
            return start
        step = policy.days * DAY
        return start + (window.begin - start) // step * step

    def moments(self, policy: Policy) -> list[int]:
        """The trainings of a policy, in order of time."""
        return sorted({self.due(policy, window) for window in self.windows})

    def every_moment(self) -> list[int]:
        """The trainings of all policies; one that several need occurs once."""
        return sorted({moment for policy in self.policies for moment in self.moments(policy)})


def make_plan(
    span: tuple[int, int], policies: Sequence[Policy], window_days: int = 7, start: int | None = None
) -> Plan:
    """Divide a log into what comes before the first training, and windows after it.

    The log's last day counts as a whole day. Days at the end that do not fill a window are not evaluated.

    Args:
        span: first and last time in the log, microseconds since the epoch.
        policies: each trains at most once per window.
        window_days: length of a window.
        start: the first training, microseconds since the epoch; None: after a quarter of the log, in whole windows
            from the midnight (UTC) before its first row.

    Raises:
        DataError: nothing is before the start, or no whole window after it.
    """
    first, last = span
    length = window_days * DAY
    end = (last // DAY + 1) * DAY
    if start is None:
        midnight = first // DAY * DAY
        start = midnight + max(1, (end - midnight) // length // LEARNED_SHARE) * length
    elif start <= first:
        raise DataError(
            "the backtest starts before the log",
            got=_shown(start),
            allowed=f"times after {_shown(first)}, the log's first time",
            do="start later, or leave start out",
        )
    number = (end - start) // length
    if number < 1:
        raise DataError(
            "the log is too short for a backtest",
            got=f"from {_shown(first)} to {_shown(last)}",
            allowed=f"at least one whole window of {window_days} days after the first training at {_shown(start)}",
            do="start earlier, choose a smaller window_days, or use a longer log",
        )
    windows = (Window(n + 1, start + n * length, start + (n + 1) * length) for n in range(number))
    return Plan(tuple(windows), tuple(policies))


def check_number(plan: Plan, span: tuple[int, int], start: int | None, most: int) -> None:
    """Refuse a plan with too many trainings, and name one that fits.

    Args:
        plan: the plan.
        span: as for `make_plan`.
        start: as for `make_plan`.
        most: number of trainings that are allowed.

    Raises:
        ConfigError: there are more.
    """
    number = len(plan.every_moment())
    if number <= most:
        return
    allow = f"allow it: --most-trainings {number}"
    days = (plan.windows[0].end - plan.windows[0].begin) // DAY
    for factor in range(2, number + 1):
        policies = [policy.rarer(factor) for policy in plan.policies]
        try:
            fewer = len(make_plan(span, policies, factor * days, start).every_moment())
        except DataError:  # no window of this length fits into the log
            break
        if fewer <= most:
            names = ",".join(policy.name for policy in policies)
            allow = f"--window-days {factor * days} --policies {names} needs {fewer}; or {allow}"
            break
    raise ConfigError(
        "the backtest would train too many models",
        got=f"{number} trainings",
        allowed=f"up to {most} (most_trainings)",
        do=f"train more rarely: {allow}",
    )


def _shown(time: int) -> str:
    return shown(time_of(time))
