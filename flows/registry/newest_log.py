"""The log that a registered model serves from: the newest that was prepared, whichever version is the champion."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict, ValidationError

from flows.registry.alias import NOT_FOUND, remove_files
from flows.registry.log import now
from flows.tracking.locations import TrackingError
from ncf.errors import ModelError
from ncf.files import sum_of_sums

if TYPE_CHECKING:
    from flows.tracking.tracker import Tracker
    from ncf.data.prepared import PreparedData
    from ncf.serving.log import ServingLog

LOG_TAG = "ncf.log"  # of the registered model; ncf/serving/log.py and the pyfunc read it too
FOLDER = "serving_log"


class PublishedLog(BaseModel):
    """Where the newest log lies.

    Attributes:
        run_id, path: the MLflow run and its artifact.
        fingerprint: of the log.
        sha256: of the artifact's sums; in the registry, where write access to the artifacts can't change it.
        published: UTC.
        last_time: of the newest interaction, microseconds since the epoch; None for a log without times.
        refold: MLflow run of the version for which users whose history has grown are folded in again, since that was
            better on the validation holdout; None: no version.
        before: run and path of the log before, which a service may still be loading.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    path: str
    fingerprint: str
    sha256: str
    published: datetime
    last_time: int | None = None
    refold: str | None = None
    before: tuple[str, str] | None = None

    def refolds(self, run_id: str | None) -> bool:
        """Whether users whose history has grown are folded in again while the version of a run serves."""
        return run_id is not None and self.refold == run_id


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


def publish_log(tracker: "Tracker", name: str, run_id: str, data: "PreparedData", *, only_newer: bool) -> PublishedLog:
    """Make the prepared log the one that is served from, unless it is already.

    The files are uploaded first and named by the tag then, so that a kill at any moment leaves a log that can be read.

    Args:
        tracker: of the data set.
        name: of the registered model.
        run_id: MLflow run of the retraining, which keeps the files.
        data: the prepared data set.
        only_newer: whether a log that ends before the present one is not published.
    """
    from ncf.serving.log import ServingLog

    log, last_time = ServingLog.of(data), data.history.last_time if data.history else None
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
    if present is not None and present.before not in (None, (new.run_id, new.path), new.before):
        _remove(tracker, present.before)
    named(tracker.client, name, new)
    return new


def set_refold(tracker: "Tracker", name: str, published: PublishedLog, run_id: str | None) -> None:
    """Fold users whose history has grown in again while the version of this run serves; None: while none does."""
    if published.refold != run_id:
        named(tracker.client, name, published.model_copy(update={"refold": run_id}))


def load_log(tracker: "Tracker", published: PublishedLog) -> "ServingLog":
    """The log itself.

    Raises:
        ModelError: its files are missing, damaged, or not those that were published.
    """
    from ncf.serving.log import ServingLog

    called = f"the newest log, published on {published.published:%Y-%m-%d %H:%M} UTC"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = Path(tracker.client.download_artifacts(published.run_id, published.path, scratch))
            found = sum_of_sums(folder)
        except (OSError, MlflowException) as error:
            raise ModelError(
                f"{called}, can't be read", got=str(error)[:300], do="restore MLflow's artifacts, or retrain"
            ) from error
        if found != published.sha256:
            raise ModelError(
                f"{called}, is not the one that was published", got=found, allowed=published.sha256, do="retrain"
            )
        return ServingLog.load(folder)


def _is_there(client: MlflowClient, published: PublishedLog) -> bool:
    try:
        return bool(client.list_artifacts(published.run_id, published.path))
    except (MlflowException, OSError):
        return False


def named(client: MlflowClient, name: str, published: PublishedLog) -> None:
    """Let the registered model name its newest log."""
    client.set_registered_model_tag(name, LOG_TAG, published.model_dump_json())


def _remove(tracker: "Tracker", place: "tuple[str, str] | None") -> None:
    """Remove an old log; one whose run is gone is gone as well."""
    if place is None:
        return
    try:
        remove_files(tracker.uri, tracker.client.get_run(place[0]), place[1])
    except (MlflowException, OSError):
        return
