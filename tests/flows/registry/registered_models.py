"""Versions registered as a retraining registers them, from small models whose answers differ, and champions."""

import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from flows.registry.alias import BUNDLE, CHAMPION
from flows.registry.models import register_model
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import ModelConfig
from ncf.data.prepared import PreparedData
from ncf.serving.bundle import Bundle
from tests.ncf.serving.bundles import CONFIGS, bundle_of

DATASET, NAME = "ml-100k", "ncf-ml-100k"


def register_version(
    tracker: Tracker, data: PreparedData, seed: int = 0, config: ModelConfig = CONFIGS[0]
) -> tuple[int, Bundle]:
    """Register one more version; the next one needs another seed. Returns its number and its bundle."""
    bundle = bundle_of(data, config, seed, name=config.kind)
    parent = tracker.start_retraining(f"key-{seed}", {}, data)
    run_id = tracker.start_model(parent, config.kind, {}, data)
    log_bundle(tracker, run_id, bundle)
    version = register_model(tracker, NAME, ModelRun(config.kind, run_id, {}), {}, f"seed {seed}")
    return version, bundle


def make_champion(dataset: str, bundle: Bundle) -> int:
    """Register a bundle and let it serve. Returns the version."""
    tracker = Tracker(dataset)
    run_id = str(tracker.client.create_run(tracker.experiment_id).info.run_id)
    log_bundle(tracker, run_id, bundle)
    name = f"ncf-{dataset}"
    version = register_model(tracker, name, ModelRun("gmf", run_id, {}), tags={}, description="of a test")
    tracker.client.set_registered_model_alias(name, CHAMPION, str(version))
    return version


def log_bundle(tracker: Tracker, run_id: str, bundle: Bundle) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        bundle.save(Path(scratch) / BUNDLE)
        tracker.files.log_folder(run_id, Path(scratch) / BUNDLE, BUNDLE)


def set_champion(tracker: Tracker, version: int) -> None:
    tracker.client.set_registered_model_alias(NAME, CHAMPION, str(version))


def artifact_folder(client: MlflowClient, version: int, name: str = NAME) -> Path:
    """Where a version's files lie, in a store on this machine."""
    place = client.get_model_version_download_uri(name, str(version))
    files = get_artifact_repository(place, tracking_uri=client.tracking_uri)
    assert isinstance(files, LocalArtifactRepository)
    return Path(files.artifact_dir)
