"""What a run shows in the Prefect UI. None of it is worth a run: without the server a warning is all that happens."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
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

log = logging.getLogger(__name__)


@contextmanager
def not_worth_a_failure(what: str) -> Iterator[None]:
    """Turn any error of the block into a warning."""
    try:
        yield
    except Exception as error:
        _logger().warning("%s could not be shown in Prefect: %s", what, str(error)[:300])


def _logger() -> Any:
    """The run's logger; one of the processes of a training with several has none."""
    try:
        return get_run_logger()
    except MissingContextError:
        return log


def artifact_key(*names: str) -> str:
    """A key that Prefect takes: it knows no underscore, which a data set's name may have."""
    return "-".join(names).replace("_", "-")


def show_markdown(key: str, markdown: str, description: str) -> None:
    """A page of text."""
    with not_worth_a_failure(key):
        create_markdown_artifact(markdown, key=key, description=description)


def show_table(key: str, rows: Sequence[dict[str, Any]], description: str) -> None:
    """A table."""
    with not_worth_a_failure(key):
        create_table_artifact(list(rows), key=key, description=description)


def show_link(key: str, url: str, text: str, description: str) -> None:
    """A link; nothing where there is no URL to link to."""
    if url:
        with not_worth_a_failure(key):
            create_link_artifact(url, link_text=text, key=key, description=description)


class Shown:
    """A progress bar in the Prefect UI.

    Args:
        key: of the artifact.
        description: what is going on.
    """

    def __init__(self, key: str, description: str) -> None:
        self.key = key
        self.artifact: UUID | None = None
        with not_worth_a_failure(key):
            made = create_progress_artifact(0.0, key=key, description=description)
            assert isinstance(made, UUID)  # outside of a coroutine it is no promise of one
            self.artifact = made

    def tell(self, share: float, description: str) -> None:
        """How far it is.

        Args:
            share: done, from 0 to 1.
            description: what is going on.
        """
        if self.artifact is not None:
            with not_worth_a_failure(self.key):
                update_progress_artifact(self.artifact, 100 * min(1.0, share), description)
