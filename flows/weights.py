"""The files of a registered version: whether they are all there, and removing them."""

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

BUNDLE = "bundle"  # of the model's run; the logged model has a copy of it
LOGGED = f"artifacts/{BUNDLE}"
CODE = "code"  # a copy of ncf, in the logged model
WEIGHTS = "weights.safetensors"
STATE, REMOVING, REMOVED = "ncf.weights", "removing", "removed"  # a tag of the version, and its values
REMOVED_WORDS = "Its weights were removed as old: it can't serve any more."


def why_incomplete(client: MlflowClient, uri: str, version: ModelVersion) -> str:
    """What a version lacks for serving, in words; nothing if it has all."""
    if STATE in version.tags:
        return "its weights were removed as old"
    try:
        found = get_artifact_repository(_location(client, version), tracking_uri=uri).list_artifacts(LOGGED)
    except (MlflowException, OSError) as error:
        return f"its files can't be listed: {str(error)[:200]}"
    names = {file.path.rpartition("/")[2] for file in found or []}
    return "" if WEIGHTS in names else "its weights are missing"


def remove_weights(client: MlflowClient, uri: str, version: ModelVersion) -> None:
    """Remove a version's bundle, in the run and in the logged model; what was begun is finished by doing it again."""
    client.set_model_version_tag(version.name, version.version, STATE, REMOVING)
    for path in (LOGGED, CODE):
        _delete(uri, _location(client, version), path)
    remove_bundle(uri, client.get_run(str(version.run_id)))
    if REMOVED_WORDS not in (version.description or ""):
        client.update_model_version(
            version.name, version.version, f"{version.description or ''} {REMOVED_WORDS}".strip()
        )
    client.set_model_version_tag(version.name, version.version, STATE, REMOVED)


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
    """Where the logged model behind a version has its files."""
    return str(client.get_model_version_download_uri(version.name, version.version))
