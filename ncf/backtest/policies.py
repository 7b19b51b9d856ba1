"""How often a model is trained anew: by name, or every so many days."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

NEVER = "never"
NAMED: Mapping[str, int] = MappingProxyType({"monthly": 28, "weekly": 7, "daily": 1})  # a month is four weeks
EVERY = re.compile(r"([1-9][0-9]{0,3})d")
PATTERN = f"^({'|'.join((NEVER, *NAMED, EVERY.pattern))})$"
ALLOWED = f"{NEVER}, {', '.join(NAMED)}, or every so many days, such as 10d"


@dataclass(frozen=True)
class Policy:
    """When a model is replaced by a newer one.

    Attributes:
        name: as it was given.
        days: between two trainings; None: the first model serves for ever.
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
