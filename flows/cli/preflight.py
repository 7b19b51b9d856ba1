"""What must be in order before any work starts."""

import shutil
from pathlib import Path

from flows.monitor.settings import MonitorSettings
from flows.prepare.settings import DatasetSettings, DataSettings
from flows.recommend.settings import RecommendSettings
from flows.retrain.settings import ModelSettings, RetrainSettings
from flows.tracking.store import check_tracking, sqlite_folder, store_exists, tracking_uri
from ncf.errors import ConfigError, ModelError
from ncf.files import CACHE_VARIABLE, cache_dir, new_file
from ncf.ingest.load import check_source
from ncf.serving.batch.config import FileOutput
from ncf.serving.batch.write import target_of
from ncf.training.devices import check_hardware

RETRIES = 6  # a minute in all: a server that is being started again must not cost a scheduled run
NEEDED_BYTES = 200_000_000  # a retraining of ML-100K writes about a tenth of this; a database must never run full


def check_before_work(settings: DataSettings | RecommendSettings, retries: int = RETRIES) -> None:
    """Refuse to start what could not end.

    Args:
        settings: of the flow.
        retries: how often an MLflow server that does not answer is asked again.

    Raises:
        ConfigError: the hardware asked for is not there, a folder can't be written, or its disk is nearly full.
        DataError: the log is not there, or its columns are not what they should be (which for a monitor is a finding),
            or an output is in no known place.
        ModelError: recommendations are asked for where there was never a model.
        TrackingError: MLflow does not answer.
    """
    if isinstance(settings, RecommendSettings):
        check_recommending(settings, retries)
    elif isinstance(settings, MonitorSettings):
        check_monitoring(settings, retries)
    else:
        check_data(settings, retries)
    check_folder(cache_dir(), f"set ${CACHE_VARIABLE} to a folder that can be written")


def check_data(settings: DataSettings, retries: int) -> None:
    """What it takes to read a log, and to train on it if that is meant."""
    check_source(settings.log_source)
    if isinstance(settings, ModelSettings):
        check_training(settings, retries)
    if isinstance(settings, RetrainSettings):
        check_folder(Path.cwd() / "recommendations", "run in a folder that can be written")


def check_monitoring(settings: MonitorSettings, retries: int) -> None:
    """What a look at the data needs, but for the log: that it can't be read is a finding."""
    check_hardware(settings.hardware)
    check_tracking(retries)


def check_training(settings: ModelSettings, retries: int) -> None:
    """What training needs beside its data."""
    check_hardware(settings.hardware)
    store = sqlite_folder(tracking_uri())
    if store is not None:
        check_folder(store, "run in a folder that can be written, or set $MLFLOW_TRACKING_URI")
    check_tracking(retries)


def check_recommending(settings: RecommendSettings, retries: int) -> None:
    """What recommendations need that can be known before the champion is read."""
    check_hardware(settings.hardware)
    if isinstance(settings.place, FileOutput):
        target_of(settings.place)
    if not store_exists(tracking_uri()):
        raise no_champion(settings)
    check_tracking(retries)


def no_champion(settings: DatasetSettings) -> ModelError:
    """There is nothing to recommend with, or to serve."""
    return ModelError(
        "there is no champion of the registered model",
        got=settings.model_name,
        do=f'make retrain ARGS="--dataset {settings.dataset}", or name another data set',
    )


def check_folder(folder: Path, do: str) -> None:
    """Make a folder, write a file in it and look at the free space.

    Raises:
        ConfigError: one of these fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new_file(folder / ".writable") as probe:
            probe.write_bytes(b"0")
        (folder / ".writable").unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigError(f"the folder {folder} can't be written", got=error.strerror or str(error), do=do) from error
    if free < NEEDED_BYTES:
        raise ConfigError(
            f"the disk of {folder} is nearly full; free bytes",
            got=free,
            allowed=f"at least {NEEDED_BYTES}",
            do=f"make room, or {do}",
        )
