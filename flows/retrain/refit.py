"""What serves has learned from everything: the winner trained again on all data, and the newest log published."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect.logging import get_run_logger

from flows.orchestration.tasks import is_mlflow_outage, is_transient, task
from flows.registry.alias import BUNDLE
from flows.registry.models import load_champion
from flows.registry.newest_log import publish_log, published_log, set_refold
from flows.retrain.promote import Compared
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import (
    GMF_NAME,
    MLP_NAME,
    PRETRAINED,
    checkpoint_folder,
    fit_in_run,
    initial_model,
    model_settings,
    recipe_of,
    remove_checkpoints,
)
from flows.tracking import BEST_EPOCH, EPOCHS, REFIT, SECONDS
from flows.tracking.tracker import ModelRun, Tracker, with_time
from ncf.data.prepared import PreparedData
from ncf.serving.bundle import Bundle
from ncf.serving.log import ServingLog
from ncf.serving.users import refold_gain

FEWEST_USERS = 50  # whose lists must be compared before users with more items are folded in again


def refit_winner(
    tracker: Tracker,
    settings: RetrainSettings,
    winner: ModelRun,
    models: Sequence[ModelRun],
    data: PreparedData,
    compared: Compared | None,
) -> ModelRun | None:
    """Train the winner again on all data, if the comparison with the champion says that it will serve.

    Returns:
        The run with its weights; None: the version serves with the weights that were judged, or is registered already.
    """
    if not settings.refit or compared is None or not compared[1].promote:
        return None
    with tracker.interrupted_on_error(winner.run_id):
        return refit_model(tracker, settings, winner, models, data)


@task("refit model", "refit {winner.name} on {settings.dataset}", retry_if=is_mlflow_outage)
def refit_model(
    tracker: Tracker,
    settings: RetrainSettings,
    winner: ModelRun,
    models: Sequence[ModelRun],
    data: PreparedData,
) -> ModelRun:
    """Train a model as it was trained, for its best number of epochs, on train, validation and test together.

    Nothing is measured: there is no holdout that it has not seen.

    Args:
        tracker: of the data set.
        settings: of the whole retraining.
        winner: the model that was judged; the new run is nested in its run.
        models: all models of the retraining; neumf-pretrained starts from the judged GMF and MLP among them.
        data: the prepared data set.
    """
    done = tracker.find_model(winner.run_id, REFIT)
    if done is not None:
        return done
    everything, recipe = data.refitted(test=True), recipe_of(settings, winner.name)
    parts = {model.name: model for model in models}
    pretrained = (parts[GMF_NAME], parts[MLP_NAME]) if winner.name == PRETRAINED else None
    model, config = initial_model(tracker, settings, recipe, data, pretrained)
    run_id = tracker.resume_model(winner.run_id, REFIT, lambda run_id: checkpoint_folder(run_id).exists())
    title, epochs = f"{winner.name} on all data", int(winner.metrics[BEST_EPOCH])
    get_run_logger().info("training %s: %d epochs on %s interactions", title, epochs, f"{len(everything.train):,}")
    run_id = run_id or tracker.start_model(
        winner.run_id, REFIT, model_settings(settings, recipe, config), everything, with_time(title)
    )
    training = fit_in_run(tracker, run_id, winner.name, model, settings, everything, title=title, epochs=epochs)
    about = {"name": winner.name, "settings": recipe.model_dump(mode="json"), "metrics": dict(winner.metrics)}
    facts = {"fingerprint": data.fingerprint, REFIT: {"judged_run": winner.run_id, EPOCHS: epochs}}
    bundle = Bundle.of(training.model, config, everything, **about, **facts)
    with tempfile.TemporaryDirectory() as scratch:
        replace(bundle, log=ServingLog.of(data)).save(Path(scratch) / BUNDLE)
        tracker.files.log_folder(run_id, Path(scratch) / BUNDLE, BUNDLE)
    metrics = {EPOCHS: float(epochs), SECONDS: training.seconds}
    tracker.log_metrics(run_id, metrics)
    tracker.set_notes(run_id, refit_notes(winner, epochs, data))
    tracker.finish(run_id)
    remove_checkpoints(run_id)
    return ModelRun(REFIT, run_id, metrics)


def refit_notes(winner: ModelRun, epochs: int, data: PreparedData) -> str:
    """What the refitted model is, as text."""
    return (
        f"{winner.name} trained again, with the same settings and seed, on all {len(data.everything):,} interactions "
        f"of {data.name}, each user's newest included, for the {epochs} epochs that were best. No holdout is left to "
        f"measure it: the figures are those of its twin, the run `{winner.run_id}`, which learned from train alone."
    )


@task("publish newest log", retry_if=is_transient)
def publish_newest_log(tracker: Tracker, run_id: str, settings: RetrainSettings, data: PreparedData) -> bool:
    """From now on every list is made from this log: who the users are, what they have, and the titles.

    Returns:
        Whether it is another log than before.
    """
    before, log = published_log(tracker.client, settings.model_name), ServingLog.of(data)
    only_newer = settings.data.filters.as_of is not None  # a look back must not make the lists older
    last_time = data.history.last_time if data.history else None
    published = publish_log(tracker, settings.model_name, run_id, log, last_time, only_newer=only_newer)
    if published.fingerprint != log.fingerprint:
        get_run_logger().info(
            "the lists stay those of the newer log of %s: this one ends at data.filters.as_of", published.published
        )
    return before is None or published.fingerprint != before.fingerprint


@task("measure folding in", retry_if=is_transient)
def measure_refold(tracker: Tracker, settings: RetrainSettings, data: PreparedData) -> None:
    """Decide whether users who have more items than the champion has learned of are folded in again.

    It is measured on the validation items that the champion has not seen.
    """
    name = settings.model_name
    champion, published = load_champion(tracker, name), published_log(tracker.client, name)
    if champion is None or published is None:
        return
    refold = settings.refold == "always"
    is_older = champion.bundle.about.get("fingerprint") != data.fingerprint
    if settings.refold == "measured" and is_older:
        gain, users = refold_gain(champion.bundle, data, settings.hardware.scoring_memory_mb)
        refold = users >= FEWEST_USERS and gain > 0
        figures = f"NDCG@10 {gain:+.4f} on the validation items of {users:,} of them" if users else "nothing to measure"
        way = "folded in again" if refold else "answered with the champion's own vectors of them"
        get_run_logger().info("users with new items are %s: %s", way, figures)
    set_refold(tracker, name, published, champion.run_id if refold else None)
