"""One registered model: its versions, its aliases, and the lock that whoever changes them holds."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from flows.locks import LockError, global_lock
from flows.store import connect, sqlite_folder
from ncf.data.sources.cache import cache_dir
from ncf.errors import ModelError

CHAMPION, CHALLENGER = "champion", "challenger"
LOCK_SECONDS = 180.0  # longer than a dead holder keeps the lock (flows/locks.py)
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Registry:
    """One registered model.

    Attributes:
        uri: where MLflow is.
        name: the registered model's.
    """

    uri: str
    name: str

    @cached_property
    def client(self) -> MlflowClient:
        """The client, connected on first use."""
        return connect(self.uri)

    def champion(self) -> int | None:
        """The version that serves, or None."""
        found = version_by_alias(self.client, self.name, CHAMPION)
        return int(found.version) if found else None

    def version(self, number: int) -> ModelVersion:
        """A version.

        Raises:
            ModelError: there is none of the number.
        """
        try:
            return self.client.get_model_version(self.name, str(number))
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise
            known = sorted(int(v.version) for v in self.client.search_model_versions(f"name = '{self.name}'"))
            raise ModelError(
                f"{self.name} has no version of the number",
                got=number,
                allowed=", ".join(map(str, known)) or "none; retrain first",
            ) from error


def version_by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version that an alias points at, or None."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in NOT_FOUND:
            return None
        raise


@contextmanager
def locked(registry: Registry, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Keep every other change of the registered model out.

    A file's lock does so on one machine, beside a SQLite store or else in the cache, whichever Prefect its processes
    use; the global lock does so on all machines of one Prefect server.

    Raises:
        LockError: another process holds it too long.
    """
    folder = sqlite_folder(registry.uri) or cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(folder / ".registry.lock", timeout=wait_seconds))
        except Timeout as error:
            raise LockError(
                f"another process is changing {registry.name}; seconds waited", got=wait_seconds, do="try again"
            ) from error
        lease_file = folder / f".registry-{registry.name}.lease"
        stack.enter_context(global_lock(f"ncf-registry-{registry.name}", wait_seconds, lease_file=lease_file))
        yield
