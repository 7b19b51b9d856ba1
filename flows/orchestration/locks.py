"""One holder at a time, on however many machines share a Prefect server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

from filelock import FileLock, Timeout
from prefect.client.orchestration import get_client
from prefect.concurrency.context import ConcurrencyContext
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings

from ncf.errors import NCFError

LEASE_SECONDS = 60.0  # the least that Prefect allows: so long a killed holder keeps other machines waiting


class LockError(NCFError):
    """A lock can't be had in time."""


class HeldError(LockError):
    """Somebody else holds a lock for too long."""


@contextmanager
def global_lock(
    name: str, wait_seconds: float, must_keep: bool = True, lease_file: Path | None = None
) -> Iterator[None]:
    """Hold the lock of this name; it is free again when the block or the process ends, however.

    With a Prefect server it is a global concurrency limit of 1, which is made if it is not there. The embedded server
    belongs to one machine, and forgets who held a limit when its process is killed: there it is a file beside its
    database.

    Args:
        name: of the lock, and of the limit.
        wait_seconds: how long to wait for another holder.
        must_keep: whether the block is cut off if the server forgets the lock or is away for long.
        lease_file: keeps the lease's id, for a caller whose own file lock lets one process of this machine in at a
            time: a lease that it finds there is that of a dead one, and is given back instead of waited for.

    Raises:
        HeldError: another holds it for longer.
        LockError: nobody holds it, but the server does not hand it out.
    """
    embedded = get_current_settings().api.url is None
    with ExitStack() as stack:
        try:
            stack.enter_context(
                _file_lock(name, wait_seconds) if embedded else _limit(name, wait_seconds, must_keep, lease_file)
            )
        except (Timeout, TimeoutError) as error:
            if not embedded and not _is_held(name):
                raise LockError(
                    f"the Prefect server did not hand out the lock {name} in {wait_seconds:.0f} seconds",
                    got="nobody holds it",
                    do="see in the server's log whether it has too much to do; the next run goes on",
                ) from error
            raise HeldError(
                f"another run holds the lock {name}, and did so for {wait_seconds:.0f} seconds",
                do=f"wait for it, or see who it is: prefect global-concurrency-limit inspect {name}",
            ) from error
        yield


def _is_held(name: str) -> bool:
    """Whether the server says that somebody is in."""
    return get_client(sync_client=True).read_global_concurrency_limit_by_name(name).active_slots > 0


def _file_lock(name: str, wait_seconds: float) -> FileLock:
    folder = get_current_settings().home / "ncf-locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock", timeout=wait_seconds)


@contextmanager
def _limit(name: str, wait_seconds: float, must_keep: bool, lease_file: Path | None) -> Iterator[None]:
    """Hold a slot of Prefect's limit of this name."""
    with suppress(ObjectAlreadyExists):  # another process made it at the same moment
        get_client(sync_client=True).upsert_global_concurrency_limit_by_name(name, 1)
    if lease_file is not None:
        _give_back(lease_file)
    slot = concurrency(
        name,
        strict=True,
        timeout_seconds=wait_seconds,
        lease_duration=LEASE_SECONDS,
        raise_on_lease_renewal_failure=must_keep,
    )
    with ConcurrencyContext() as context, slot:
        if lease_file is None:
            yield
            return
        lease_file.write_text("\n".join(map(str, context.cleanup_lease_ids)), encoding="utf-8")
        try:
            yield
        finally:
            lease_file.unlink(missing_ok=True)


def _give_back(lease_file: Path) -> None:
    """Free what a process of this machine held that is dead by now; the server would do so a minute later."""
    if lease_file.exists():
        for lease in lease_file.read_text(encoding="utf-8").split():
            with suppress(Exception):  # it has ended, or is of another server: then there is nothing to give back
                get_client(sync_client=True).release_concurrency_slots_with_lease(UUID(lease))
        lease_file.unlink(missing_ok=True)
