"""What earlier retrainings leave: weights of models that did not win, checkpoints nobody goes on from, open runs."""

import shutil
import time
from pathlib import Path

from mlflow.entities import LifecycleStage, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from flows.registry.alias import NOT_FOUND, has_bundle, remove_bundle, remove_files
from flows.retrain.comparison_page import PAGE
from flows.tracking.keys import REMOVED, WEIGHTS_STATE
from flows.tracking.tracking import COMPLETE, MODEL, Tracker
from flows.tracking.tuned_settings import SETTINGS
from ncf.files import cache_dir

FORGOTTEN_SECONDS = 30 * 86_400.0  # checkpoints of a run that this MLflow does not know may be another MLflow's


def remove_losers_weights(tracker: Tracker, registered_model: str, keep: int, current: str) -> int:
    """Remove the weights of models without a version from all but the newest retrainings.

    The interactive page of comparison goes too: with plotly's script in it, it is the largest file of all. Metrics,
    tables and pictures stay.
    A retraining that was interrupted so long ago would train these models again, were it ever to go on.

    Args:
        tracker: of the data set.
        registered_model: its versions' weights are flows/retrain/promote.py's matter.
        keep: newest retrainings that keep all of theirs.
        current: the retraining that is going on, which may be an old one that was interrupted.

    Returns:
        How many models lost their weights now.
    """
    versions = tracker.client.search_model_versions(f"name = '{registered_model}'")
    registered = {str(version.run_id) for version in versions}
    removed = 0
    for retraining in old_retrainings(tracker, keep, current):
        run_id = str(retraining.info.run_id)
        for run in tracker.nested(run_id):
            if MODEL in run.data.tags and run.info.run_id not in registered:
                removed += _lose_weights(tracker, run, finished=COMPLETE in retraining.data.tags)
        if PAGE in {file.path for file in tracker.client.list_artifacts(run_id)}:
            remove_files(tracker.uri, retraining, PAGE)
        tracker.set_tags(run_id, {WEIGHTS_STATE: REMOVED})
    return removed


def old_retrainings(tracker: Tracker, keep: int, current: str) -> list[Run]:
    """Retrainings beyond the newest that have not lost any weights yet, but not the one that is going on."""
    wanted = f"tags.`{SETTINGS}` LIKE '%' and tags.`{MLFLOW_PARENT_RUN_ID}` IS NULL and tags.`{WEIGHTS_STATE}` IS NULL"
    return [run for run in tracker.search(wanted)[keep:] if run.info.run_id != current]


def _lose_weights(tracker: Tracker, run: Run, *, finished: bool) -> bool:
    if not has_bundle(tracker.client, str(run.info.run_id)):
        return False
    if not finished:
        tracker.reopen(str(run.info.run_id))  # else it would count as trained, without its weights
    remove_bundle(tracker.uri, run)
    return True


def close_abandoned(tracker: Tracker, current: str) -> None:
    """Close retrainings that a kill left open and that nobody went on with: for MLflow they would run for ever.

    Args:
        tracker: of the data set.
        current: the retraining that is going on; one of a data set does at a time, so that all others are dead.
    """
    wanted = f"tags.`{SETTINGS}` LIKE '%' and tags.`{MLFLOW_PARENT_RUN_ID}` IS NULL and attributes.status = 'RUNNING'"
    for run in tracker.search(wanted):
        if run.info.run_id != current:
            tracker.interrupt(str(run.info.run_id), "KILLED")


def remove_old_checkpoints(tracker: Tracker) -> int:
    """Remove this machine's checkpoints of trainings that nobody will go on with. Returns of how many trainings."""
    folders = [folder for folder in (cache_dir() / "checkpoints").glob("*") if folder.is_dir()]
    forgotten = [folder for folder in folders if _is_forgotten(tracker, folder)]
    for folder in forgotten:
        shutil.rmtree(folder, ignore_errors=True)
    return len(forgotten)


def _is_forgotten(tracker: Tracker, folder: Path) -> bool:
    """Whether the run is deleted, finished, or of a retraining that lost its weights as old; or unknown for long."""
    try:
        run = tracker.client.get_run(folder.name)
        parent_id = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
        parent = tracker.client.get_run(parent_id) if parent_id else None
    except MlflowException as error:
        if error.error_code not in NOT_FOUND:
            raise
        return time.time() - folder.stat().st_mtime > FORGOTTEN_SECONDS
    deleted = run.info.lifecycle_stage == LifecycleStage.DELETED
    return (
        deleted or COMPLETE in run.data.tags or (parent is not None and parent.data.tags.get(WEIGHTS_STATE) == REMOVED)
    )
