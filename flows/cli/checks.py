"""Checks that several commands make before any work: folders that can be written, and addresses to listen on."""

import ipaddress
import shutil
import socket
import tempfile
from pathlib import Path

from ncf.errors import ConfigError
from ncf.files import CACHE_VARIABLE, cache_dir

RETRIES = 6  # of a request to MLflow, a minute in all: a server that is restarted must not cost a scheduled run
NEEDED_BYTES = 200_000_000  # a retraining of ML-100K writes about a tenth of this; a database must never run full


def check_cache() -> None:
    """Check that the cache folder can be written, and that its disk has free space."""
    check_folder(cache_dir(), f"set ${CACHE_VARIABLE} to a folder that can be written")


def check_folder(folder: Path, do: str) -> None:
    """Check that a folder can be made and written, and that its disk has free space; `do` is what helps if not.

    Raises:
        ConfigError: it can't be written, or its disk is nearly full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:  # no name that other runs could use as well
            probe.write(b"0")
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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address, or each address of a name."""
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in _addresses(host))


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        ConfigError: the address is not this machine's, or is taken.
    """
    family = socket.AF_INET6 if ":" in _addresses(host)[0] else socket.AF_INET
    # asyncio switches Nagle's algorithm off only if the protocol is named; else answers wait for a delayed ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_addresses(host)[0], port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"can't listen on {host}, port {port}", got=error.strerror, do="choose others: --host, --port"
        ) from error
    return listener


def _addresses(host: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise ConfigError("the host has no address", got=host, do="give an address, or correct the name") from error
