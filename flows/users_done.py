"""How far a batch is: a bar in the terminal, and a progress artifact in Prefect."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

from flows.shown import Shown

SECONDS = 5.0  # between messages to Prefect's server, each of which takes some milliseconds


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
