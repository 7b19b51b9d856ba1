"""How far a job of many steps is: a bar on the terminal, a progress artifact in Prefect."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeAlias, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from tqdm import tqdm

Bar: TypeAlias = "tqdm[NoReturn]"


class Steps:
    """Counts steps.

    Args:
        total: how many there are.
        artifact: of Prefect.
        bar: on the terminal.
    """

    def __init__(self, total: int, artifact: UUID, bar: Bar) -> None:
        self.total, self.artifact, self.bar, self.done = total, artifact, bar, 0

    def advance(self, text: str) -> None:
        """One more step is done, in words."""
        self.done += 1
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update()
        words = f"step {self.done} of {self.total}: {text}"
        update_progress_artifact(self.artifact, 100 * min(1.0, self.done / self.total), words)


@contextmanager
def steps(title: str, total: int, key: str) -> Iterator[Steps]:
    """Begin to count.

    Args:
        title: what the bar is called.
        total: how many steps there are.
        key: of the artifact; lower-case letters, digits and dashes.
    """
    artifact = cast(UUID, create_progress_artifact(0.0, key=key, description=f"{title}: it begins"))
    bar: Bar
    with tqdm(desc=title, total=total, unit=" steps", dynamic_ncols=True, disable=None) as bar:
        yield Steps(total, artifact, bar)
