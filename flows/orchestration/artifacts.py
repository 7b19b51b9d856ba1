"""Artifacts of a run in the Prefect UI: pages, tables, links and progress bars.

No run fails because of an artifact: where the Prefect server can't take it, a warning is logged.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NoReturn, Self
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from tqdm import tqdm

UPDATE_SECONDS = 5.0  # between updates of a progress bar in Prefect, each of which takes the server some milliseconds
SCALED_FROM = 10_000  # from so many units on, the terminal shows 12.3k instead of 12345
log = logging.getLogger(__name__)


@contextmanager
def warn_on_error(key: str) -> Iterator[None]:
    """Turn any error of the block into a warning that names the artifact."""
    try:
        yield
    except Exception as error:
        _logger().warning("%s could not be shown in Prefect: %s", key, str(error)[:300])


def _logger() -> Any:
    """The run's logger; a process of a training that has several processes has none."""
    try:
        return get_run_logger()
    except MissingContextError:
        return log


def artifact_key(*names: str) -> str:
    """A key that Prefect accepts; a data set's name may have underscores, which Prefect refuses."""
    return "-".join(names).replace("_", "-")


def show_markdown(key: str, markdown: str, description: str) -> None:
    """Show a page of Markdown."""
    with warn_on_error(key):
        create_markdown_artifact(markdown, key=key, description=description)


def show_table(key: str, rows: Sequence[dict[str, Any]], description: str) -> None:
    """Show a table."""
    with warn_on_error(key):
        create_table_artifact(list(rows), key=key, description=description)


def show_link(key: str, url: str, text: str, description: str) -> None:
    """Show a link, or nothing if the URL is empty."""
    if url:
        with warn_on_error(key):
            create_link_artifact(url, link_text=text, key=key, description=description)


class Progress:
    """A progress bar in the Prefect UI and, if wanted, on the terminal; a context manager that closes the latter.

    Args:
        key: of the artifact.
        text: what is being done.
        total: units of work.
        done: units that an interrupted run completed.
        unit: plural of the unit, such as "users"; if given, the Prefect UI shows the count as well.
        terminal: a bar, the text alone, or nothing; never anything where standard error is no terminal.
        update_seconds: least time between two updates of the artifact; the last one is always sent.
    """

    def __init__(
        self,
        key: str,
        text: str,
        total: float = 1.0,
        done: float = 0.0,
        unit: str = "",
        terminal: Literal["bar", "text", "off"] = "off",
        update_seconds: float = UPDATE_SECONDS,
    ) -> None:
        self.key, self.text, self.total, self.done, self.unit = key, text, total, done, unit
        self.update_seconds = update_seconds
        self.artifact: UUID | None = None
        self._updated = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None  # which can't be sent to another process
        if terminal != "off":
            self._bar = tqdm(
                desc=text,
                total=total,
                initial=done,
                unit=f" {unit}",
                unit_scale=total >= SCALED_FROM,
                bar_format="{desc}" if terminal == "text" else None,
                dynamic_ncols=True,
                disable=None,  # only where there is a terminal
            )
        with warn_on_error(key):
            artifact = create_progress_artifact(0.0, key=key, description=text)
            assert isinstance(artifact, UUID)  # a coroutine only inside of another one
            self.artifact = artifact

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, units: float, text: str | None = None) -> None:
        """Add units of work that are done, and change the text if there is a new one."""
        self.update(self.done + units, text)

    def update(self, done: float, text: str | None = None) -> None:
        """Set the units of work that are done, and the text if there is a new one."""
        text = self.text if text is None else text
        if self._bar is not None:
            self._bar.set_description_str(text, refresh=text != self.text)
            self._bar.update(done - self.done)
        self.done, self.text = done, text
        is_due = done >= self.total or time.monotonic() - self._updated >= self.update_seconds
        if self.artifact is not None and is_due:
            self._updated = time.monotonic()
            counted = f"{text}: {done:,.0f} of {self.total:,.0f} {self.unit}" if self.unit else text
            with warn_on_error(self.key):
                update_progress_artifact(self.artifact, 100 * min(1.0, done / self.total), counted)
