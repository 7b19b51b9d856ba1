"""The plan of a backtest: policies, which say how often a model is retrained, and windows in which models serve."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from ncf.data.history import DAY
from ncf.data.times import shown, time_of
from ncf.errors import DataError

NEVER = "never"
NAMED: Mapping[str, int] = MappingProxyType({"monthly": 28, "weekly": 7, "daily": 1})  # a month is four weeks
EVERY = re.compile(r"([1-9][0-9]{0,3})d")
PATTERN = f"^({'|'.join((NEVER, *NAMED, EVERY.pattern))})$"
ALLOWED = f"{NEVER}, {', '.join(NAMED)}, or a number of days, such as 10d"


@dataclass(frozen=True)
class Policy:
    """How often a model is retrained.

    Attributes:
        name: such as weekly or 10d.
        days: between two trainings; None: the first model serves forever.
    """

    name: str
    days: int | None

    @classmethod
    def named(cls, name: str) -> Self:
        """The policy of a name.

        Raises:
            ValueError: there is none of this name.
        """
        every = EVERY.fullmatch(name)
        if name != NEVER and name not in NAMED and every is None:
            raise ValueError(f"unknown policy {name!r}; allowed: {ALLOWED}")
        days = int(every[1]) if every else NAMED.get(name)
        return cls(name, days)

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
    """

    windows: tuple[Window, ...]
    policies: tuple[Policy, ...]

    def moment(self, policy: Policy, window: Window) -> int:
        """When the model that serves in this window under this policy was trained; never after the window has begun."""
        start = self.windows[0].begin
        if policy.days is None:
            return start
        step = policy.days * DAY
        return start + (window.begin - start) // step * step

    def moments(self, policy: Policy) -> list[int]:
        """The trainings of a policy, in order of time."""
        return sorted({self.moment(policy, window) for window in self.windows})

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


def _shown(time: int) -> str:
    return shown(time_of(time))
