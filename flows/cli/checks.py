"""Checks that several flows make before any work; each flow puts its own together from them."""

import shutil
from pathlib import Path

from ncf.errors import ConfigError
from ncf.files import CACHE_VARIABLE, cache_dir, new_file

RETRIES = 6  # of a request to MLflow, a minute in all: a server that is restarted must not cost a scheduled run
NEEDED_BYTES = 200_000_000  # a retraining of ML-100K writes about a tenth of this; a database must never run full


def check_cache() -> None:
    """Check that the cache folder can be written.

    Raises:
        ConfigError: it can't, or its disk is nearly full.
    """
    check_folder(cache_dir(), f"set ${CACHE_VARIABLE} to a folder that can be written")


def check_folder(folder: Path, do: str) -> None:
    """Check that a folder can be made and written, and that its disk has free space.

    Args:
        folder: the folder.
        do: what the user can do if it can't.

    Raises:
        ConfigError: it can't be written, or its disk is nearly full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new_file(folder / ".writable") as probe:
            probe.write_bytes(b"0")
        (folder / ".writable").unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigError(f"the folder {folder} can't be written", got=error.strerror or str(error), do=do) from error
    if free < NEEDED_BYTES:
        raise ConfigError(
            f"the disk of {folder} is nearly full; free bytes",
            got=free,
            allowed=f"at least {NEEDED_BYTES}",
            do=f"free some space, or {do}",
        )
