"""Watches for a new champion and swaps it in. Where champions come from is handed in."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ncf.errors import NCFError
from ncf.serving.http.live import Live, Served

LOG = logging.getLogger("ncf.serving")
LONGEST_WAIT = 300.0  # seconds between two tries of a version that could not be loaded


class Watcher:
    """Looks for the champion again and again, in a thread of its own.

    A new one is loaded completely before it replaces the present one. One that can't be loaded is reported, and tried
    again after a pause that doubles up to five minutes; the present one goes on.

    Args:
        live: what serves.
        find: the champion's version, or None if there is none.
        load: a version, ready to answer.
        seconds: between two looks.
    """

    def __init__(
        self, live: Live, find: Callable[[], int | None], load: Callable[[int], Served], seconds: float
    ) -> None:
        self.live = live
        self._find, self._load, self._seconds = find, load, seconds
        self._failed: int | None = None
        self._tries, self._not_before = 0, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="champion", daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def look(self) -> None:
        """Look once. Whatever goes wrong is reported and logged, never raised: the service goes on."""
        try:
            version = self._find()
        except Exception as error:
            return self._report(f"the champion can't be looked up: {_in_words(error)}", None)
        if version is None:
            return self._report(f"no version of {self.live.current.name} is the champion any more", None)
        if version == self.live.current.version:
            self._failed = None
            return self.live.well()
        if version != self._failed or time.monotonic() >= self._not_before:
            self._try(version)
        return None

    def _try(self, version: int) -> None:
        LOG.info("loading version %d of %s", version, self.live.current.name)
        try:
            new = self._load(version)
        except Exception as error:
            self._tries = self._tries + 1 if version == self._failed else 1
            self._failed = version
            self._not_before = time.monotonic() + min(self._seconds * 2**self._tries, LONGEST_WAIT)
            return self._report(f"version {version}, the new champion, can't serve: {_in_words(error)}", version)
        self._failed = None
        self.live.swap(new)
        LOG.info("version %d of %s serves", version, new.name)
        return None

    def _report(self, reason: str, version: int | None) -> None:
        if self.live.problem is None or self.live.problem.reason != reason:
            LOG.warning("%s; version %d goes on", reason, self.live.current.version)
        self.live.report(reason, version)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.look()


def _in_words(error: Exception) -> str:
    if isinstance(error, NCFError):
        return str(error)
    message: Any = getattr(error, "message", None) or str(error)
    return f"{type(error).__name__}: {str(message)[:300]}"
