"""Locks: on this machine a file, between the machines of a Prefect server a global concurrency limit."""

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
from ncf.files import cache_dir

LEASE_SECONDS = 60.0  # the least that Prefect allows; a killed holder keeps other machines waiting for so long
WAIT_SECONDS = LEASE_SECONDS + 45.0  # the lease of a killed holder has ended by then, and the server has noticed


class LockError(NCFError):
    """A lock can't be had in time."""


class HeldError(LockError):
    """Another process holds a lock for too long."""


class AlreadyRunningError(NCFError):
    """Something that may run once at a time is running already."""


@contextmanager
def one_at_a_time(
    name: str, title: str, across_machines: bool = False, wait_seconds: float = WAIT_SECONDS
) -> Iterator[None]:
    """Let one process at a time into the block; the lock is free again when the process ends, however.

    On one machine a file says at once whether another process is at work. Between machines it is a global concurrency
    limit of the Prefect server, if there is one; if the server forgets that limit, the block goes on.

    Args:
        name: of the lock.
        title: what runs, for the error.
        across_machines: whether other machines of the Prefect server are kept out as well.
        wait_seconds: how long to wait for another machine; the limit of one that died is free within this time.

    Raises:
        AlreadyRunningError: another process is at work.
        LockError: the Prefect server does not hand out the limit, which nobody holds.
    """
    path = cache_dir() / "locks" / f"{name}.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path, timeout=0))
            if across_machines and get_current_settings().api.url is not None:
                stack.enter_context(global_lock(f"ncf-{name}", wait_seconds, False, path.with_suffix(".lease")))
        except (Timeout, HeldError) as error:
            machine = "this machine" if isinstance(error, Timeout) else "another machine"
            raise AlreadyRunningError(
                f"{title} is running already on {machine}", do="wait for it, or stop it"
            ) from error
        yield


@contextmanager
def global_lock(
    name: str, wait_seconds: float, must_keep: bool = True, lease_file: Path | None = None
) -> Iterator[None]:
    """Hold a lock that all machines share; it is free again when the block or the process ends, however.

    With a Prefect server it is a global concurrency limit of 1, created on first use. The embedded server belongs to
    one machine, and forgets who held a limit when its process is killed: there it is a file beside its database.

    Args:
        name: of the lock, and of the limit.
        wait_seconds: how long to wait for another holder.
        must_keep: whether the block is cut off if the server forgets the lock or is away for long.
        lease_file: keeps the lease's id, for a caller whose own file lock lets one process of this machine in at a
            time: a lease in it is that of a dead process, and is released instead of waited for.

    Raises:
        HeldError: another process holds it for longer.
        LockError: nobody holds it, but the server does not hand it out.
    """
    settings = get_current_settings()
    with ExitStack() as stack:
        try:
            if settings.api.url is None:
                stack.enter_context(FileLock(settings.home / "ncf-locks" / f"{name}.lock", timeout=wait_seconds))
            else:
                stack.enter_context(_limit(name, wait_seconds, must_keep, lease_file))
        except (Timeout, TimeoutError) as error:
            if settings.api.url is not None and not _is_held(name):
                raise LockError(
                    f"the Prefect server did not hand out the lock {name} in {wait_seconds:.0f} seconds",
                    got="nobody holds it",
                    do="see in the server's log whether it is overloaded; the next run continues",
                ) from error
            raise HeldError(
                f"another run has held the lock {name} for {wait_seconds:.0f} seconds",
                do=f"wait for it, or see who it is: prefect global-concurrency-limit inspect {name}",
            ) from error
        yield


def _is_held(name: str) -> bool:
    """Whether the server says that the limit is taken."""
    return get_client(sync_client=True).read_global_concurrency_limit_by_name(name).active_slots > 0


@contextmanager
def _limit(name: str, wait_seconds: float, must_keep: bool, lease_file: Path | None) -> Iterator[None]:
    """Hold a slot of Prefect's limit of this name."""
    with suppress(ObjectAlreadyExists):  # another process created it at the same moment
        get_client(sync_client=True).upsert_global_concurrency_limit_by_name(name, 1)
    if lease_file is not None:
        _release_dead(lease_file)
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


def _release_dead(lease_file: Path) -> None:
    """Release what a dead process of this machine held; the server would do so a minute later."""
    if lease_file.exists():
        for lease in lease_file.read_text(encoding="utf-8").split():
            with suppress(Exception):  # it has ended, or is of another server: then there is nothing to release
                get_client(sync_client=True).release_concurrency_slots_with_lease(UUID(lease))
        lease_file.unlink(missing_ok=True)
