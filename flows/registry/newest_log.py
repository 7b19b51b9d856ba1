"""The log that a registered model serves from: the newest that was prepared, whichever version is the champion."""

import logging
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from flows.registry.alias import NOT_FOUND, remove_files
from flows.registry.log import now
from flows.tracking.locations import TrackingError
from flows.tracking.tracker import Tracker
from ncf.errors import ModelError
from ncf.files import sum_of_sums
from ncf.serving.log import LOG_TAG, RETRAIN, PublishedLog, ServingLog

FOLDER = "serving_log"
LOG = logging.getLogger("ncf.registry")


def published_log(client: MlflowClient, name: str) -> PublishedLog | None:
    """The newest log of a registered model; None if none was ever published.

    Raises:
        TrackingError: the tag is damaged.
    """
    try:
        text = client.get_registered_model(name).tags.get(LOG_TAG)
    except MlflowException as error:
        if error.error_code not in NOT_FOUND:
            raise
        return None
    try:
        return None if text is None else PublishedLog.model_validate_json(text)
    except ValidationError as error:
        raise TrackingError(
            f"the tag {LOG_TAG} of the registered model {name} can't be read",
            got=str(text)[:100],
            do="delete the tag in MLflow, and retrain",
        ) from error


def publish_log(
    tracker: Tracker, name: str, run_id: str, log: ServingLog, last_time: int | None, *, only_newer: bool
) -> PublishedLog:
    """Make a log the one that is served from, unless it is already.

    The files are uploaded first and named by the tag then, so that a kill at any moment leaves a log that can be read.

    Args:
        tracker: of the data set.
        name: of the registered model.
        run_id: MLflow run of the retraining, which keeps the files.
        log: of the prepared data set.
        last_time: of its newest interaction, microseconds since the epoch; None without times.
        only_newer: whether a log that ends before the present one is not published.
    """
    present = published_log(tracker.client, name)
    if present is not None:
        older = only_newer and last_time is not None and present.last_time is not None and last_time < present.last_time
        if older or (present.fingerprint == log.fingerprint and _is_there(tracker.client, present)):
            return present
    path = f"{FOLDER}/{log.fingerprint[:16]}"
    with tempfile.TemporaryDirectory() as scratch:
        log.save(Path(scratch) / "log")
        tracker.files.log_folder(run_id, Path(scratch) / "log", path)
        sha256 = sum_of_sums(Path(scratch) / "log")
    new = PublishedLog(
        run_id=run_id,
        path=path,
        fingerprint=log.fingerprint,
        sha256=sha256,
        published=now(),
        last_time=last_time,
        before=None if present is None else (present.run_id, present.path),
    )
    if present is not None and present.before is not None and present.before not in ((run_id, path), new.before):
        _remove(tracker, *present.before)
    named(tracker.client, name, new)
    return new


def set_refold(tracker: Tracker, name: str, published: PublishedLog, run_id: str | None) -> None:
    """Fold users whose history has grown in again while the version of this run serves; None: while none does."""
    if published.refold != run_id:
        named(tracker.client, name, published.model_copy(update={"refold": run_id}))


def load_log(tracker: Tracker, published: PublishedLog) -> ServingLog:
    """The log itself.

    Raises:
        ModelError: its files are missing, damaged, or not those that were published.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = tracker.client.download_artifacts(published.run_id, published.path, scratch)
        except (OSError, MlflowException) as error:
            raise ModelError("the newest log can't be read", got=str(error)[:300], do=RETRAIN) from error
        return published.read(folder)


def _is_there(client: MlflowClient, published: PublishedLog) -> bool:
    try:
        return bool(client.list_artifacts(published.run_id, published.path))
    except (MlflowException, OSError):
        return False


def named(client: MlflowClient, name: str, published: PublishedLog) -> None:
    """Let the registered model name its newest log."""
    client.set_registered_model_tag(name, LOG_TAG, published.model_dump_json())


def _remove(tracker: Tracker, run_id: str, path: str) -> None:
    """Remove an old log; if that fails, its files stay, and the new log is published all the same."""
    try:
        remove_files(tracker.uri, tracker.client.get_run(run_id), path)
    except (MlflowException, OSError) as error:
        LOG.warning("the old log %s of the MLflow run %s could not be removed: %s", path, run_id, str(error)[:300])
