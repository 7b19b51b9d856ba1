"""Tasks: register the best of the new models, compare it with the champion, and promote it if it is better."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from prefect.logging import get_run_logger

from flows.orchestration.tasks import is_transient, task
from flows.registry.alias import BUNDLE
from flows.registry.log import now, read_log, reigns
from flows.registry.models import (
    HOLDOUT,
    apply_decision,
    champion_version,
    compared_champion,
    count_earlier_challengers,
    load_judged,
    recorded_decision,
    register_model,
)
from flows.registry.promotion import ChampionMovedError
from flows.retrain.measure import POPULARITY, promotion_values
from flows.retrain.settings import RetrainSettings
from flows.tracking import BEST_VALIDATION, COLUMNS, FINGERPRINT, MODEL
from flows.tracking.tracker import ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.comparison import PROMOTION_METRIC, holdout_sketch, stronger_baseline
from ncf.evaluation.config import GuardConfig
from ncf.evaluation.evaluate import top_lists
from ncf.evaluation.guards import CandidateMetrics, anchor_of, window_start
from ncf.evaluation.promotion import Anchor, Decision, decide
from ncf.evaluation.ranking import CUTOFF, HoldoutRanker, Ranks, Scorer
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender
from ncf.serving.users import ServedScorer

HIT_METRIC = "full/hr_at_10"
TIMED_USERS = 1000
NO_VERSION = 0  # versions count from 1
Compared: TypeAlias = tuple[int | None, Decision]
"""The champion that a model was compared with, if there was one, and the decision."""


def best_of(models: Sequence[ModelRun]) -> ModelRun:
    """The best model by validation NDCG@10, full ranking: the test holdout is for the report, not for selection."""
    return max(models, key=lambda model: model.metrics[f"{BEST_VALIDATION}/{PROMOTION_METRIC}"])


@task("compare with the champion", retry_if=is_transient)
def compare_with_champion(
    tracker: Tracker, settings: RetrainSettings, model: ModelRun, data: PreparedData
) -> Compared | None:
    """Decide on a model that is not registered yet, as `decide_promotion` will; None if it is registered."""
    versions = tracker.client.search_model_versions(f"name = '{settings.model_name}' and run_id = '{model.run_id}'")
    return None if versions else _decide(tracker, settings, NO_VERSION, model, data)


@task("register challenger", retry_if=is_transient)
def register_challenger(
    tracker: Tracker, settings: RetrainSettings, model: ModelRun, refitted: ModelRun | None, data: PreparedData
) -> int:
    """Register the best new model as the challenger, with the refitted weights if there are. Returns its version."""
    figures = ", ".join(f"{title} {model.metrics[key]:.4f}" for title, key in COLUMNS.items())
    version = register_model(
        tracker,
        settings.model_name,
        model,
        tags={
            **{MODEL: model.name, FINGERPRINT: data.fingerprint, "ncf.seed": str(settings.seed)},
            HOLDOUT: holdout_sketch(data),
        },
        description=f"{model.name} trained on {data.name}. Test holdout: {figures}. {_weights_text(refitted)}",
        refitted=refitted,
    )
    get_run_logger().info("%s version %d is the challenger (%s)", settings.model_name, version, model.name)
    return version


def _weights_text(refitted: ModelRun | None) -> str:
    """Which weights a version serves with, and whose the figures are."""
    if refitted is None:
        return "It serves with the weights that were measured; they have not learned from the two holdouts."
    return (
        "It serves with weights that have learned from train, validation and test together; the figures are those of "
        "its twin, with the same settings, that has learned from train alone."
    )


@task("decide promotion", retry_if=is_transient)
def decide_promotion(
    tracker: Tracker,
    settings: RetrainSettings,
    version: int,
    model: ModelRun,
    data: PreparedData,
    compared_before: Compared | None = None,
) -> Decision:
    """Measure challenger and champion on the same holdout, and promote the challenger if it is good enough.

    Args:
        tracker: of the data set.
        settings: of the retraining.
        version: of the challenger.
        model: its run.
        data: the prepared data set.
        compared_before: the comparison, if it has been made; it is made again if the champion has changed since.
    """
    decision = recorded_decision(tracker, settings.model_name, version)
    while decision is None:
        compared, new_decision = compared_before or _decide(tracker, settings, version, model, data)
        compared_before = None
        try:
            apply_decision(tracker, settings.model_name, version, new_decision, compared)
            decision = new_decision
        except ChampionMovedError as moved:
            get_run_logger().info("%s; comparing again", moved)
    get_run_logger().info(
        "version %d is %s: %s", version, "promoted" if decision.promote else "not promoted", decision.reason
    )
    return decision


def _decide(tracker: Tracker, settings: RetrainSettings, version: int, model: ModelRun, data: PreparedData) -> Compared:
    """The version of the champion in the comparison, if there is one, and the decision."""
    present = champion_version(tracker, settings.model_name)
    champion = None if present is None else load_judged(tracker, settings.model_name, present)
    if champion is not None and champion.version == version:
        return version, Decision(False, "already the champion: somebody promoted it by hand")
    ranker = HoldoutRanker(data, "test", memory_mb=settings.hardware.scoring_memory_mb)
    guards = settings.promotion.guards
    earlier = count_earlier_challengers(tracker, settings.model_name, version, holdout_sketch(data))
    of_champion = candidate_metrics(ServedScorer(champion.bundle, data), ranker, data, guards) if champion else None
    decision = decide(
        _challenger_metrics(tracker, settings, model, ranker, data),
        ranker.rank_all(Popularity(data)).values()[PROMOTION_METRIC],
        of_champion,
        settings.promotion,
        interactions=data.user_counts[data.test.pairs.users],
        earlier=earlier,
        newer=champion is not None and is_newer(data, champion.bundle),
        anchor=_anchor(tracker, settings, champion.version, of_champion, ranker, data)
        if champion is not None and of_champion is not None
        else None,
    )
    return (champion.version if champion else None), decision


def is_newer(data: PreparedData, bundle: Bundle) -> bool:
    """Whether data are newer than a bundle's: other pairs, and a later last time or, at the same, more of them."""
    if data.fingerprint == bundle.about.get("fingerprint") or data.history is None:
        return False
    return data.history.extent > bundle.history.extent


def _anchor(
    tracker: Tracker,
    settings: RetrainSettings,
    champion: int,
    of_champion: CandidateMetrics,
    ranker: HoldoutRanker,
    data: PreparedData,
) -> Anchor | None:
    """The best champion of the last days on the same holdout; None if the log names none, or the setting is 0."""
    name, days = settings.model_name, settings.promotion.anchor_days
    number = anchor_of(reigns(read_log(tracker.client, name)), window_start(now(), days)) if days else None
    if number is None or number == champion:
        return None if number is None else Anchor(number, of_champion.ndcg)
    try:
        bundle = load_judged(tracker, name, number).bundle
    except ModelError as error:
        get_run_logger().warning("the best champion of the last %d days can't be compared: %s", days, error)
        return Anchor(number, None)
    return Anchor(number, ranker.rank_all(ServedScorer(bundle, data)).values()[PROMOTION_METRIC])


def _challenger_metrics(
    tracker: Tracker, settings: RetrainSettings, model: ModelRun, ranker: HoldoutRanker, data: PreparedData
) -> CandidateMetrics:
    """The metrics of the new model, with its time and size where a guard needs them."""
    guards = settings.promotion.guards
    with tempfile.TemporaryDirectory() as scratch:
        folder = tracker.files.download(model.run_id, BUNDLE, Path(scratch))
        bundle = Bundle.load(folder)
        metrics = candidate_metrics(bundle.model, ranker, data, guards)
        timed = guards.maximum_seconds is not None
        seconds = seconds_to_recommend(bundle, settings.hardware.scoring_memory_mb) if timed else None
        return replace(metrics, seconds=seconds, size_mb=size_mb(folder))


def rank_champion(tracker: Tracker, settings: RetrainSettings, version: int, data: PreparedData) -> dict[str, Ranks]:
    """The ranks of the champion that a version was compared with, on the same holdout; empty if there is none.

    A champion that can't be read any more is left out: the decision is made, and a chart without it is no failure.
    """
    compared = compared_champion(tracker, settings.model_name, version)
    if compared is None or compared == version:
        return {}
    try:
        bundle = load_judged(tracker, settings.model_name, compared).bundle
    except ModelError as error:
        get_run_logger().warning("the charts don't show the champion: %s", error)
        return {}
    ranker = HoldoutRanker(data, "test", memory_mb=settings.hardware.scoring_memory_mb)
    return {f"champion (version {compared})": ranker.rank_all(ServedScorer(bundle, data))}


def caveats(tracker: Tracker, winner: ModelRun, baselines: Sequence[ModelRun]) -> str:
    """Clauses for the verdict if a baseline is better than the best new model, or it is below popularity by 1 + 99."""
    values = {run.name: promotion_values(tracker, run) for run in baselines if run.name != POPULARITY}
    stronger = stronger_baseline(promotion_values(tracker, winner), values)
    sampled = COLUMNS["NDCG@10 1+99"]
    ours, popular = winner.metrics[sampled], {run.name: run.metrics for run in baselines}[POPULARITY][sampled]
    below = f"by the protocol 1 + 99 it is below popularity: NDCG@10 {ours:.4f} against {popular:.4f}"
    return "; ".join(clause for clause in (stronger, below if ours < popular else "") if clause)


def candidate_metrics(
    scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, guards: GuardConfig
) -> CandidateMetrics:
    """The metrics that decide on a promotion; coverage only if a guard needs it."""
    values = ranker.rank_all(scorer).values()
    needed = guards.minimum_coverage is not None
    coverage = top_lists(scorer, ranker, data, CUTOFF).coverage(CUTOFF) if needed else None
    return CandidateMetrics(values[PROMOTION_METRIC], values[HIT_METRIC], coverage)


def seconds_to_recommend(bundle: Bundle, memory_mb: int) -> float:
    """Seconds for the top 10 of 1,000 users; users are repeated if there are fewer."""
    recommender = Recommender(bundle, memory_mb=memory_mb)
    users = np.resize(np.asarray(bundle.user_ids), TIMED_USERS).tolist()
    started = time.perf_counter()
    recommender.recommend(users, min(CUTOFF, len(bundle.item_ids)))
    return time.perf_counter() - started


def size_mb(folder: Path) -> float:
    """Size of the files in a folder in MB."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
