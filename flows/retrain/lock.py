"""One retraining of a data set at a time, across deployments, commands and machines."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout
from prefect.settings import get_current_settings

from flows.orchestration.locks import LEASE_SECONDS, HeldError, global_lock
from ncf.errors import NCFError
from ncf.files import cache_dir

WAIT_SECONDS = LEASE_SECONDS + 45.0  # a dead holder's lease must have ended, and the server have noticed


class AnotherRetrainingError(NCFError):
    """The data set is being retrained already."""


@contextmanager
def one_retraining(dataset: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the right to retrain a data set; it is free again when the process ends, however.

    On one machine a file says at once whether another process is at work; between the machines of a Prefect server it
    is a global concurrency limit. A retraining goes on even if the server forgets that limit: promotions have a lock of
    their own.

    Args:
        dataset: the data set's name.
        wait_seconds: how long another machine's hold is waited for; that of one that died ends within this time.

    Raises:
        AnotherRetrainingError: another process is at work.
        LockError: the Prefect server does not hand out the right, which nobody holds.
    """
    path = cache_dir() / "locks" / f"retrain-{dataset}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path, timeout=0))
            if get_current_settings().api.url is not None:
                lease_file = path.with_suffix(".lease")
                stack.enter_context(global_lock(f"ncf-retrain-{dataset}", wait_seconds, False, lease_file))
        except (Timeout, HeldError) as error:
            where = "this machine" if isinstance(error, Timeout) else "another machine"
            raise AnotherRetrainingError(
                f"{dataset} is being retrained already, on {where}; one retraining of a data set runs at a time",
                do="wait for it; the next one takes in all data that have come by then",
            ) from error
        yield
