"""What filters find wrong with the rows of a log, before it is said: the rows may be in several pieces."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from numpy.typing import NDArray

from ncf.errors import DataError


@dataclass(frozen=True)
class Problem:
    """One kind of wrong rows.

    Attributes:
        kind: outside of the scale, or one pair in two parts of a given split.
        user, item: codes of the first such row.
        got: its rating, or its parts.
        rows: how many there are.
    """

    kind: Literal["scale", "leak"]
    user: int
    item: int
    got: object
    rows: int

    def error(self, user_ids: NDArray[Any], item_ids: NDArray[Any], scale: tuple[float, float] | None) -> DataError:
        """The same in words; ids by code."""
        user, item = user_ids[self.user], item_ids[self.item]
        if self.kind == "scale" and scale is not None:
            return DataError(
                f"the rating of user {user!s} for item {item!s} is outside of the scale",
                got=self.got,
                allowed=f"{scale[0]:g} to {scale[1]:g}",
                do=f"correct data.feedback.scale, or mend or remove the {self.rows:,} such ratings",
            )
        others = f", as the other {self.rows - 1:,} such pairs" if self.rows > 1 else ""
        return DataError(
            f"user {user!s} has item {item!s} in two parts of the split that the log brings",
            got=self.got,
            allowed="a pair in one part",
            do=f"take it out of one of them{others}",
        )


def first_problem(found: Iterable[Problem]) -> Problem | None:
    """The first, with the rows of all of its kind."""
    problems = list(found)
    if not problems:
        return None
    return replace(problems[0], rows=sum(other.rows for other in problems if other.kind == problems[0].kind))
