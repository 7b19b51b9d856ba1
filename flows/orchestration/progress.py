"""What a run shows in the Prefect UI. None of it is worth a run: without the server a warning is all that happens."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias
from uuid import UUID

import pytorch_lightning as pl
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
from typing_extensions import override

from ncf.training.module import NCFModule, monitored

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


SECONDS = 5.0  # between messages to Prefect's server, each of which takes some milliseconds


class EpochsShown(pl.Callback):
    """Tells Prefect the epoch and its validation NDCG@10.

    Args:
        shown: the progress bar.
        title: the model's name.
    """

    def __init__(self, shown: Shown, title: str) -> None:
        self.shown, self.title = shown, title
        self.last = time.monotonic()

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if not trainer.is_global_zero or time.monotonic() - self.last < SECONDS:
            return
        self.last = time.monotonic()
        ndcg = float(trainer.callback_metrics[monitored(pl_module.config)])
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        self.shown.tell(
            epoch / epochs, f"{self.title}: epoch {epoch} of at most {epochs}, validation NDCG@10 {ndcg:.4f}"
        )


@contextmanager
def users_done(key: str, total: int, before: int) -> Iterator[Callable[[int], None]]:
    """Yield what is to be told the number of users that are done; shows users/s and the time left.

    Args:
        key: of the artifact.
        total: users.
        before: users that an interrupted run had done.
    """
    shown = Shown(key, f"{total:,} users")
    last = time.monotonic()
    bar: tqdm[NoReturn] = tqdm(
        desc="recommend",
        total=total,
        initial=before,
        unit=" users",
        unit_scale=True,
        dynamic_ncols=True,
        file=sys.stderr,
        disable=None,  # only where there is a terminal
    )
    done = before

    def told(users: int) -> None:
        nonlocal done, last
        done += users
        bar.update(users)
        if done == total or time.monotonic() - last > SECONDS:
            last = time.monotonic()
            shown.tell(done / total, f"{done:,} of {total:,} users")

    with bar:
        yield told
