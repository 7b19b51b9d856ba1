"""A champion without a training: a bundle in the registry, under the alias."""

from flows.registry import models as registry
from flows.registry.alias import CHAMPION
from flows.tracking.tracking import ModelRun, Tracker
from ncf.serving.bundle import Bundle
from tests.flows.registry.registered_models import log_bundle


def make_champion(dataset: str, bundle: Bundle) -> int:
    """Register a bundle and let it serve. Returns the version."""
    tracker = Tracker(dataset)
    run_id = str(tracker.client.create_run(tracker.experiment_id).info.run_id)
    log_bundle(tracker, run_id, bundle)
    name = f"ncf-{dataset}"
    version = registry.register(tracker, name, ModelRun("gmf", run_id, {}), tags={}, description="of a test")
    tracker.client.set_registered_model_alias(name, CHAMPION, str(version))
    return version
