"""A champion without a training: a bundle in the registry, under the alias."""

import tempfile
from pathlib import Path

from flows import registry
from flows.tracking import ModelRun, Tracker
from ncf.serving.bundle import Bundle


def make_champion(dataset: str, bundle: Bundle) -> int:
    """Register a bundle and let it serve. Returns the version."""
    tracker = Tracker(dataset)
    run_id = str(tracker.client.create_run(tracker.experiment_id).info.run_id)
    with tempfile.TemporaryDirectory() as scratch:
        bundle.save(Path(scratch) / registry.BUNDLE)
        tracker.artifacts.log_folder(run_id, Path(scratch) / registry.BUNDLE, registry.BUNDLE)
    name = f"ncf-{dataset}"
    version = registry.register(tracker, name, ModelRun("gmf", run_id, {}), tags={}, description="of a test")
    tracker.client.set_registered_model_alias(name, registry.CHAMPION, str(version))
    return version
