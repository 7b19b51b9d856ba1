"""What was told already: a state of the data is told once."""

from collections.abc import Collection
from typing import Self

from pydantic import BaseModel


class Told(BaseModel):
    """What the last event said of a model's data.

    Attributes:
        new: interactions that the model had not seen.
        names: every threshold that was told as passed since the model serves.
    """

    new: int
    names: list[str]

    @classmethod
    def after(cls, before: "Told | None", new: int, names: Collection[str]) -> Self:
        """The memory with one more event."""
        return cls(new=new, names=sorted({*names, *(before.names if before else ())}))


def worth_telling(before: Told | None, new: int, names: Collection[str], again: float) -> bool:
    """Whether passed thresholds are news.

    Args:
        before: the last event; None if there was none.
        new: interactions that the model has not seen.
        names: the thresholds that are passed.
        again: how many times as many new interactions as then are news by themselves.
    """
    if not names:
        return False
    if before is None or not set(names) <= set(before.names):
        return True
    return new > before.new and new >= again * before.new
