"""Locks that hold on every machine of one Prefect server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import AcquireConcurrencySlotTimeoutError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

from ncf.errors import NCFError

LEASE_SECONDS = 60.0  # Prefect's least: so long after its holder died a lock is free again


class LockError(NCFError):
    """A lock was not to be had in time."""


@contextmanager
def global_lock(name: str, wait_seconds: float) -> Iterator[None]:
    """Hold a lock that one process at a time can have: a global concurrency limit of 1 in Prefect, made if need be.

    A holder that dies frees it after LEASE_SECONDS, and some 15 more; one that lives has it as long as it wants.

    Args:
        name: of the limit.
        wait_seconds: how long to wait for another holder.

    Raises:
        LockError: another process still holds it.
    """
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):  # two processes may make it at once
        client.upsert_global_concurrency_limit_by_name(name, 1)
    with ExitStack() as stack:
        try:
            stack.enter_context(
                concurrency(name, occupy=1, timeout_seconds=wait_seconds, lease_duration=LEASE_SECONDS, strict=True)
            )
        except AcquireConcurrencySlotTimeoutError as error:
            raise LockError(
                f"another process holds the lock {name}; seconds waited",
                got=wait_seconds,
                do=f"try again; if nothing else runs: prefect gcl update {name} --active-slots 0",
            ) from error
        yield
