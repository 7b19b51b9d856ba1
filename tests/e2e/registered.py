"""A store with registered versions, made as a retraining makes them, from small models whose answers differ."""

import tempfile
from pathlib import Path

from flows import registry
from flows.registry import BUNDLE, CHAMPION
from flows.store import URI_VARIABLE
from flows.tracking import ModelRun, Tracker
from ncf.config import ModelConfig
from ncf.data.prepared import PreparedData
from ncf.serving.bundle import Bundle
from tests.ncf.serving.bundles import CONFIGS, bundle_of, some_data

NAME = "ncf-ml-100k"
DATASET = "ml-100k"


def store_uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"


def register_version(
    tracker: Tracker, seed: int, config: ModelConfig = CONFIGS[0], data: PreparedData | None = None
) -> tuple[int, Bundle]:
    """Register one more version. Returns its number and its bundle."""
    data = data or some_data()
    bundle = bundle_of(data, config, seed, name=config.kind)
    parent = tracker.start_retraining(f"key-{seed}", {}, data)
    run_id = tracker.start_model(parent, config.kind, {}, data)
    with tempfile.TemporaryDirectory() as scratch:
        bundle.save(Path(scratch) / BUNDLE)
        tracker.log_folder(run_id, Path(scratch) / BUNDLE, BUNDLE)
    version = registry.register(tracker, NAME, ModelRun(config.kind, run_id, {}), {}, f"seed {seed}")
    return version, bundle


def crown(tracker: Tracker, version: int) -> None:
    tracker.client.set_registered_model_alias(NAME, CHAMPION, str(version))


__all__ = ["DATASET", "NAME", "URI_VARIABLE", "crown", "register_version", "store_uri"]
