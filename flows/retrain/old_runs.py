"""Clean up after earlier retrainings: old weights, abandoned checkpoints, and runs that a kill left open."""

import shutil
import time
from pathlib import Path

from mlflow.entities import LifecycleStage, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from prefect.logging import get_run_logger

from flows.orchestration.locks import LockError
from flows.orchestration.tasks import task
from flows.registry.alias import NOT_FOUND, Registry, has_bundle, locked, remove_bundle, remove_files, remove_weights
from flows.registry.log import now, reigns
from flows.registry.promotion import previous_champion, reconcile
from flows.retrain.comparison import PAGE
from flows.retrain.settings import RetrainSettings
from flows.tracking import COMPLETE, MODEL, REFIT, REMOVED, SETTINGS, WEIGHTS_STATE
from flows.tracking.tracker import Tracker
from ncf.evaluation.guards import anchors_to_come
from ncf.files import cache_dir

FORGOTTEN_SECONDS = 30 * 86_400.0  # a run that this MLflow does not know may belong to another MLflow
RETRAININGS = f"tags.`{SETTINGS}` LIKE '%' and tags.`{MLFLOW_PARENT_RUN_ID}` IS NULL"


@task("remove old weights")
def remove_old_weights(tracker: Tracker, run_id: str, settings: RetrainSettings) -> None:
    """Remove all weights but those of the newest versions and retrainings. After an error the next retraining retries.

    Args:
        tracker: of the data set.
        run_id: the present retraining.
        settings: how many keep their weights.
    """
    keep = settings.keep_versions
    try:
        registry = Registry(tracker.uri, settings.model_name)
        versions = remove_weights_of_versions(registry, keep, settings.promotion.anchor_days)
        models = remove_unregistered_weights(tracker, settings.model_name, keep, run_id)
        remove_old_checkpoints(tracker)
    except (LockError, MlflowException, OSError) as error:
        get_run_logger().warning("old weights could not be removed; the next retraining tries again: %s", error)
        return
    if versions:
        get_run_logger().info("removed the weights of old versions: %s", ", ".join(map(str, versions)))
    if models:
        get_run_logger().info("removed the weights of %d unregistered models of old retrainings", models)


def remove_weights_of_versions(registry: Registry, keep: int, anchor_days: int = 0) -> list[int]:
    """Remove the weights of old versions, except the champion, the one before it, anchors, and any with an alias.

    Args:
        registry: the registered model.
        keep: number of the newest versions that keep their weights.
        anchor_days: days for which the best champion limits the losses of later ones; 0: none does.

    Returns:
        The versions whose removal is now complete, some of which an earlier removal may have begun.

    Raises:
        LockError: another process holds the registered model's lock too long.
    """
    with locked(registry):
        entries = reconcile(registry)
        champions = {registry.champion(), previous_champion(registry, entries)}
        champions |= anchors_to_come(reigns(entries), now(), anchor_days) if anchor_days else set()
        aliased = {int(version) for version in registry.client.get_registered_model(registry.name).aliases.values()}
        versions = registry.client.search_model_versions(f"name = '{registry.name}'")
        newest_first = sorted(versions, key=lambda version: int(version.version), reverse=True)
        removed = []
        for version in newest_first[keep:]:
            number = int(version.version)
            if number in champions | aliased or version.tags.get(WEIGHTS_STATE) == REMOVED:
                continue
            remove_weights(registry.client, registry.uri, version)
            removed.append(number)
        return removed


def remove_unregistered_weights(tracker: Tracker, registered_model: str, keep: int, current: str) -> int:
    """Remove the weights of models without a version from old retrainings.

    The page comparison.html goes too: with plotly's script it is the largest file. Metrics, tables and pictures stay.
    A retraining that was interrupted so long ago would train these models again if it continued.

    Args:
        tracker: of the data set.
        registered_model: its versions are the matter of `remove_weights_of_versions`.
        keep: number of the newest retrainings that keep all weights.
        current: the present retraining, which may be an old one that continues.

    Returns:
        The number of models that lost their weights now.
    """
    versions = tracker.client.search_model_versions(f"name = '{registered_model}'")
    registered = {str(version.run_id) for version in versions}
    removed = 0
    for retraining in old_retrainings(tracker, keep, current):
        run_id = str(retraining.info.run_id)
        models = tracker.nested(run_id)
        refitted = [run for model in models for run in tracker.nested(str(model.info.run_id))]
        for run in [*models, *refitted]:
            if MODEL in run.data.tags and run.info.run_id not in registered:
                removed += _remove_model(tracker, run, is_complete=COMPLETE in retraining.data.tags)
        if PAGE in {file.path for file in tracker.client.list_artifacts(run_id)}:
            remove_files(tracker.uri, retraining, PAGE)
        tracker.set_tags(run_id, {WEIGHTS_STATE: REMOVED})
    return removed


def old_retrainings(tracker: Tracker, keep: int, current: str) -> list[Run]:
    """Old retrainings with all their weights, without the present one."""
    newest_first = tracker.search(f"{RETRAININGS} and tags.`{WEIGHTS_STATE}` IS NULL")
    return [run for run in newest_first[keep:] if run.info.run_id != current]


def _remove_model(tracker: Tracker, run: Run, *, is_complete: bool) -> bool:
    if not has_bundle(tracker.client, str(run.info.run_id)):
        return False
    if not is_complete:
        tracker.reopen(str(run.info.run_id))  # else it would count as trained, without its weights
    remove_bundle(tracker.uri, run)
    return True


def close_abandoned(tracker: Tracker, current: str) -> None:
    """End retrainings that a kill left open in MLflow.

    Args:
        tracker: of the data set.
        current: the present retraining; a data set has one at a time, so all other open ones are dead.
    """
    for run in tracker.search(f"{RETRAININGS} and attributes.status = 'RUNNING'"):
        if run.info.run_id != current:
            tracker.interrupt(str(run.info.run_id), "KILLED")
    for run in tracker.search(f"tags.`{MODEL}` = '{REFIT}' and attributes.status = 'RUNNING'"):
        tracker.interrupt(str(run.info.run_id), "KILLED")  # the present retraining opens its own again


def remove_old_checkpoints(tracker: Tracker) -> int:
    """Remove this machine's checkpoints of trainings that will not continue. Returns their number."""
    folders = [folder for folder in (cache_dir() / "checkpoints").glob("*") if folder.is_dir()]
    abandoned = [folder for folder in folders if _is_abandoned(tracker, folder)]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return len(abandoned)


def _is_abandoned(tracker: Tracker, folder: Path) -> bool:
    """Whether the run is deleted, complete or without weights, or unknown to MLflow for FORGOTTEN_SECONDS."""
    try:
        run = tracker.client.get_run(folder.name)
        parent_id = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
        parent = tracker.client.get_run(parent_id) if parent_id else None
    except MlflowException as error:
        if error.error_code not in NOT_FOUND:
            raise
        return time.time() - folder.stat().st_mtime > FORGOTTEN_SECONDS
    deleted = run.info.lifecycle_stage == LifecycleStage.DELETED
    removed = parent is not None and parent.data.tags.get(WEIGHTS_STATE) == REMOVED
    return deleted or COMPLETE in run.data.tags or removed
