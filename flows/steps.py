"""How far a job of many steps is: a bar on the terminal, a progress artifact in Prefect."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeAlias

from tqdm import tqdm

from flows.shown import Shown

Bar: TypeAlias = "tqdm[NoReturn]"


class Steps:
    """Counts steps.

    Args:
        total: how many there are.
        shown: in Prefect.
        bar: on the terminal.
    """

    def __init__(self, total: int, shown: Shown, bar: Bar) -> None:
        self.total, self.shown, self.bar, self.done = total, shown, bar, 0

    def advance(self, text: str) -> None:
        """One more step is done, in words."""
        self.done += 1
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update()
        self.shown.tell(self.done / self.total, f"step {self.done} of {self.total}: {text}")


@contextmanager
def steps(title: str, total: int, key: str) -> Iterator[Steps]:
    """Begin to count.

    Args:
        title: what the bar is called.
        total: how many steps there are.
        key: of the artifact; lower-case letters, digits and dashes.
    """
    shown = Shown(key, f"{title}: it begins")
    bar: Bar
    with tqdm(desc=title, total=total, unit=" steps", dynamic_ncols=True, disable=None) as bar:
        yield Steps(total, shown, bar)
