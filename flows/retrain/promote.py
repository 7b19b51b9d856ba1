"""Tasks: choose the best of the new models, register it, and set it against the champion."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlflow.exceptions import MlflowException
from prefect.logging import get_run_logger

from flows.orchestration.locks import LockError
from flows.orchestration.tasks import is_transient, task
from flows.registry import models as registry
from flows.registry.alias import BUNDLE, Registry, locked, remove_weights
from flows.registry.promotion import ChampionMovedError, previous_champion, reconcile
from flows.retrain.measure import POPULARITY, judge, promotion_values, seconds_to_recommend, size_mb
from flows.retrain.old_runs import remove_losers_weights, remove_old_checkpoints
from flows.retrain.settings import RetrainSettings
from flows.tracking.keys import BEST_VALIDATION, COLUMNS, REMOVED, WEIGHTS_STATE
from flows.tracking.tracking import FINGERPRINT, MODEL, ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.comparison import PROMOTION_METRIC, holdout_sketch, stronger_baseline
from ncf.evaluation.promotion import CandidateMetrics, Decision, decide
from ncf.evaluation.ranking import HoldoutRanker, Ranks
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import ServedScorer


def best_of(models: Sequence[ModelRun]) -> ModelRun:
    """The best by validation NDCG@10, full ranking: the test holdout is for the report, not for choosing."""
    return max(models, key=lambda model: model.metrics[f"{BEST_VALIDATION}/{PROMOTION_METRIC}"])


@task("register challenger", retry_if=is_transient)
def register_challenger(tracker: Tracker, settings: RetrainSettings, model: ModelRun, data: PreparedData) -> int:
    """Register the best new model under the alias challenger. Returns its version."""
    figures = ", ".join(f"{title} {model.metrics[key]:.4f}" for title, key in COLUMNS.items())
    version = registry.register(
        tracker,
        settings.model_name,
        model,
        tags={
            **{MODEL: model.name, FINGERPRINT: data.fingerprint, "ncf.seed": str(settings.seed)},
            registry.HOLDOUT: holdout_sketch(data),
        },
        description=f"{model.name} trained on {data.name}. Test holdout: {figures}.",
    )
    get_run_logger().info("%s version %d is the challenger (%s)", settings.model_name, version, model.name)
    return version


@task("decide promotion", retry_if=is_transient)
def decide_promotion(
    tracker: Tracker, settings: RetrainSettings, version: int, model: ModelRun, data: PreparedData
) -> Decision:
    """Judge challenger and champion on the same holdout by the same code, and move the alias if it is surely better."""
    decision = registry.earlier_decision(tracker, settings.model_name, version)
    while decision is None:
        compared, taken = _decide(tracker, settings, version, model, data)
        try:
            registry.settle(tracker, settings.model_name, version, taken, compared)
            decision = taken
        except ChampionMovedError as moved:
            get_run_logger().info("%s; deciding again", moved)
    get_run_logger().info(
        "version %d %s: %s", version, "promoted" if decision.promote else "stays below", decision.reason
    )
    return decision


def _decide(
    tracker: Tracker, settings: RetrainSettings, version: int, model: ModelRun, data: PreparedData
) -> tuple[int | None, Decision]:
    """The champion that was compared, if there is one, and the decision."""
    present = registry.champion(tracker, settings.model_name)
    if present is not None and present.version == version:
        return version, Decision(False, "the champion already: somebody promoted it by hand")
    ranker = HoldoutRanker(data, "test", memory_mb=settings.hardware.scoring_memory_mb)
    guards = settings.promotion.guards
    earlier = registry.earlier_challengers(tracker, settings.model_name, version, holdout_sketch(data))
    decision = decide(
        _challenger(tracker, settings, model, ranker, data),
        ranker.rank_all(Popularity(data)).values()[PROMOTION_METRIC],
        judge(ServedScorer(present.bundle, data), ranker, data, guards) if present else None,
        settings.promotion,
        interactions=data.user_counts[data.test.pairs.users],
        earlier=earlier,
    )
    return (present.version if present else None), decision


def _challenger(
    tracker: Tracker, settings: RetrainSettings, model: ModelRun, ranker: HoldoutRanker, data: PreparedData
) -> CandidateMetrics:
    """The new model with all that the guards ask for."""
    guards = settings.promotion.guards
    with tempfile.TemporaryDirectory() as scratch:
        folder = tracker.artifacts.download(model.run_id, BUNDLE, Path(scratch))
        bundle = Bundle.load(folder)
        judged = judge(bundle.model, ranker, data, guards)
        timed = guards.maximum_seconds is not None
        seconds = seconds_to_recommend(bundle, settings.hardware.scoring_memory_mb) if timed else None
        return replace(judged, seconds=seconds, size_mb=size_mb(folder))


def ranked_champion(tracker: Tracker, settings: RetrainSettings, version: int, data: PreparedData) -> dict[str, Ranks]:
    """The champion that a version was set against, on the same holdout, under its name; empty if there is none.

    One that is gone, or whose files are, is left out: the decision was taken with it, and a picture without it is no
    reason to fail.
    """
    compared = registry.compared_with(tracker, settings.model_name, version)
    if compared is None or compared == version:
        return {}
    try:
        bundle = registry.load_version(tracker, settings.model_name, compared).bundle
    except ModelError as error:
        get_run_logger().warning("the comparison is without the champion: %s", error)
        return {}
    ranker = HoldoutRanker(data, "test", memory_mb=settings.hardware.scoring_memory_mb)
    return {f"champion (version {compared})": ranker.rank_all(ServedScorer(bundle, data))}


@task("remove old weights")
def remove_old_weights(tracker: Tracker, run_id: str, settings: RetrainSettings) -> None:
    """Keep the newest versions' and retrainings' weights; what fails is tried again by the next retraining.

    Args:
        tracker: where the models are kept.
        run_id: of the retraining that is going on.
        settings: how many are kept.
    """
    keep = settings.keep_versions
    try:
        removed = remove_weights_of_versions(Registry(tracker.uri, settings.model_name), keep)
        losers = remove_losers_weights(tracker, settings.model_name, keep, run_id)
        remove_old_checkpoints(tracker)
    except (LockError, MlflowException, OSError) as error:
        get_run_logger().warning("old weights could not be removed, the next retraining tries again: %s", error)
        return
    if removed:
        get_run_logger().info("removed the weights of old versions: %s", ", ".join(map(str, removed)))
    if losers:
        get_run_logger().info("removed the weights of %d models of old retrainings that did not win", losers)


def compare_with_baselines(tracker: Tracker, winner: ModelRun, baselines: Sequence[ModelRun]) -> str:
    """Say so if one of the baselines is better than the best new model; popularity is the decision's matter."""
    theirs = {run.name: promotion_values(tracker, run) for run in baselines if run.name != POPULARITY}
    return stronger_baseline(winner.name, promotion_values(tracker, winner), theirs)


def remove_weights_of_versions(registry: Registry, keep: int) -> list[int]:
    """Remove the weights of versions beyond the newest, but never of one that serves, may serve again, or has an alias.

    Args:
        registry: the registered model.
        keep: newest versions that keep theirs.

    Returns:
        The versions that lost theirs now; those that an interrupted removal had begun with among them.

    Raises:
        LockError: another process holds the registered model's lock too long.
    """
    with locked(registry):
        champions = {registry.champion(), previous_champion(registry, reconcile(registry))}
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
