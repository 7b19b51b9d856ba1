"""One registered model: its versions, aliases and weights, and the lock for changing them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from flows.orchestration.locks import LockError, global_lock
from flows.tracking import REMOVED, REMOVING, WEIGHTS_STATE
from flows.tracking.locations import sqlite_folder
from flows.tracking.store import connect
from ncf.errors import ModelError
from ncf.files import cache_dir

CHAMPION, CHALLENGER = "champion", "challenger"
LOCK_SECONDS = 180.0  # longer than a dead holder's lease (flows/orchestration/locks.py)
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Registry:
    """One registered model.

    Attributes:
        uri: of MLflow.
        name: of the registered model.
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
            ModelError: there is no such version.
        """
        try:
            return self.client.get_model_version(self.name, str(number))
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise
            known = sorted(int(v.version) for v in self.client.search_model_versions(f"name = '{self.name}'"))
            raise ModelError(
                f"{self.name} has no such version",
                got=number,
                allowed=", ".join(map(str, known)) or "none; retrain first",
            ) from error


def version_by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version with an alias, or None."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in NOT_FOUND:
            return None
        raise


@contextmanager
def locked(registry: Registry, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of the registered model.

    On one machine it is a file beside the SQLite store or in the cache, for processes of any Prefect; on all machines
    of one Prefect server it is the global lock.

    Raises:
        LockError: another process holds the lock too long.
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


BUNDLE = "bundle"  # of the model's run; the logged model has a copy of it
LOGGED = f"artifacts/{BUNDLE}"
CODE = "code"  # a copy of ncf, in the logged model
WEIGHTS = "weights.safetensors"
REMOVED_WORDS = "Its weights were removed as old, so it can't serve."


def why_incomplete(client: MlflowClient, uri: str, version: ModelVersion) -> str:
    """What a version lacks for serving, as words; empty if it is complete."""
    if WEIGHTS_STATE in version.tags:
        return "its weights were removed as old"
    try:
        found = get_artifact_repository(_location(client, version), tracking_uri=uri).list_artifacts(LOGGED)
    except (MlflowException, OSError) as error:
        return f"its files can't be listed: {str(error)[:200]}"
    names = {file.path.rpartition("/")[2] for file in found or []}
    return "" if WEIGHTS in names else "its weights are missing"


def remove_weights(client: MlflowClient, uri: str, version: ModelVersion) -> None:
    """Remove a version's bundle from its run and its logged model; a retry finishes an interrupted removal."""
    client.set_model_version_tag(version.name, version.version, WEIGHTS_STATE, REMOVING)
    for path in (LOGGED, CODE):
        _delete(uri, _location(client, version), path)
    remove_bundle(uri, client.get_run(str(version.run_id)))
    if REMOVED_WORDS not in (version.description or ""):
        client.update_model_version(
            version.name, version.version, f"{version.description or ''} {REMOVED_WORDS}".strip()
        )
    client.set_model_version_tag(version.name, version.version, WEIGHTS_STATE, REMOVED)


def has_bundle(client: MlflowClient, run_id: str) -> bool:
    """Whether a run has a model's files."""
    return any(file.path == BUNDLE for file in client.list_artifacts(run_id))


def remove_bundle(uri: str, run: Run) -> None:
    """Remove a model's files from its run."""
    remove_files(uri, run, BUNDLE)


def remove_files(uri: str, run: Run, path: str) -> None:
    """Remove a file or folder from a run, if it is there."""
    _delete(uri, str(run.info.artifact_uri), path)


def _delete(uri: str, location: str, path: str) -> None:
    repository = get_artifact_repository(location, tracking_uri=uri)
    repository.delete_artifacts(path)  # type: ignore[no-untyped-call]


def _location(client: MlflowClient, version: ModelVersion) -> str:
    """The location of the files of a version's logged model."""
    return str(client.get_model_version_download_uri(version.name, version.version))
