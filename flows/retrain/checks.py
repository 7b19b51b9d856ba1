"""What a flow that trains models checks before any work."""

from flows.cli.checks import RETRIES, check_cache, check_folder
from flows.retrain.settings import ModelSettings
from flows.tracking.locations import sqlite_folder
from flows.tracking.store import check_tracking, tracking_uri
from ncf.ingest.load import check_source
from ncf.training.devices import check_hardware


def check_training(settings: ModelSettings, retries: int = RETRIES) -> None:
    """Check that the log can be read, and models trained on it and stored.

    Args:
        settings: of the flow.
        retries: how often an MLflow server that does not answer is asked again.

    Raises:
        ConfigError: the hardware is not there, a folder can't be written, its disk is nearly full, or
            the engine can't read the log.
        DataError: the log is not there, or its columns are not what they should be.
        TrackingError: MLflow does not answer.
    """
    check_source(settings.log_source, settings.engine)
    check_hardware(settings.hardware)
    store = sqlite_folder(tracking_uri())
    if store is not None:
        check_folder(store, "run in a folder that can be written, or set $MLFLOW_TRACKING_URI")
    check_tracking(retries)
    check_cache()
