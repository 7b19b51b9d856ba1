"""The most memory that one of this process's children has held."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

SECONDS = 0.02  # between looks


@contextmanager
def largest_child() -> Iterator[list[float]]:
    """Yield a list whose one number is, in the end, the peak in MB of the largest process below this one."""
    peak = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SECONDS):
            for process in psutil.Process().children(recursive=True):
                try:
                    peak[0] = max(peak[0], process.memory_info().rss / 1e6)
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
