"""One holder at a time, on however many machines share a Prefect server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from filelock import FileLock, Timeout
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings

from ncf.errors import NCFError

LEASE_SECONDS = 60.0  # the least that Prefect allows: so long a killed holder keeps the others waiting


class LockError(NCFError):
    """Somebody else holds a lock for too long."""


@contextmanager
def global_lock(name: str, wait_seconds: float, must_keep: bool = True) -> Iterator[None]:
    """Hold the lock of this name; it is free again when the block or the process ends, however.

    With a Prefect server it is a global concurrency limit of 1, which is made if it is not there. The embedded server
    belongs to one machine, and forgets who held a limit when its process is killed: there it is a file beside its
    database.

    Args:
        name: of the lock, and of the limit.
        wait_seconds: how long to wait for another holder.
        must_keep: whether the block is cut off if the server forgets the lock or is away for long.

    Raises:
        LockError: another holds it for longer.
    """
    with ExitStack() as stack:
        try:
            if get_current_settings().api.url is None:
                folder = get_current_settings().home / "ncf-locks"
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(folder / f"{name}.lock", timeout=wait_seconds))
            else:
                with suppress(ObjectAlreadyExists):  # another process made it at the same moment
                    get_client(sync_client=True).upsert_global_concurrency_limit_by_name(name, 1)
                stack.enter_context(
                    concurrency(
                        name,
                        strict=True,
                        timeout_seconds=wait_seconds,
                        lease_duration=LEASE_SECONDS,
                        raise_on_lease_renewal_failure=must_keep,
                    )
                )
        except (Timeout, TimeoutError) as error:
            raise LockError(
                f"another run holds the lock {name}, and did so for {wait_seconds:.0f} seconds",
                do=f"wait for it, or see who it is: prefect global-concurrency-limit inspect {name}",
            ) from error
        yield
