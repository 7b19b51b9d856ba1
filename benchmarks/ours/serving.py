"""The job of the service's benchmark: an MLflow store with two trained versions."""

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.datasets import Shape, load
from flows.registry.alias import BUNDLE
from flows.registry.models import register_model
from flows.tracking.store import URI_VARIABLE
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import GMFConfig, GMFTraining, NeuMFConfig, NeuMFTraining, TrainingConfig
from ncf.hardware import HardwareConfig
from ncf.models.build import build_model
from ncf.serving.bundle import Bundle
from ncf.training.fit import fit

DATASET, NAME = "serving", "ncf-serving"
KINDS: dict[str, tuple[GMFConfig | NeuMFConfig, TrainingConfig]] = {
    "gmf": (GMFConfig(), GMFTraining(batch_size=16_384)),
    "neumf": (NeuMFConfig(), NeuMFTraining(batch_size=16_384)),
}


def make_store(job: dict[str, Any]) -> dict[str, Any]:
    """Train a model of the kind twice, for a few epochs, and register both; not measured.

    Returns:
        The versions, and the ids of the users and of the items.
    """
    os.environ[URI_VARIABLE] = job["uri"]
    data, tracker = load(Shape(**job["shape"])), Tracker(DATASET)
    shape, defaults = KINDS[job["kind"]]
    training = defaults.model_copy(update={"max_epochs": job["epochs"]})
    hardware = HardwareConfig(accelerator="cpu", threads=job["threads"])
    versions = []
    for seed in (0, 1):
        model = build_model(shape, data.num_users, data.num_items, seed)
        fitted = fit(model, data, training, seed=seed, hardware=hardware).model
        about = {"name": shape.kind, "settings": {"training": training.model_dump(mode="json")}}
        run_id = tracker.start_model(tracker.start_retraining(f"seed {seed}", {}, data), shape.kind, {}, data)
        with tempfile.TemporaryDirectory() as scratch:
            Bundle.of(fitted, shape, data, **about).save(Path(scratch) / BUNDLE)
            tracker.files.log_folder(run_id, Path(scratch) / BUNDLE, BUNDLE)
        versions.append(register_model(tracker, NAME, ModelRun(shape.kind, run_id, {}), {}, f"seed {seed}"))
    return {"versions": versions, "users": data.user_ids.tolist(), "items": data.item_ids.tolist()}
