"""Tasks: choose the best of the new models, register it, and set it against the champion."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows import registry
from flows.baselines import POPULARITY
from flows.keys import BEST_VALIDATION, COLUMNS
from flows.measure import promotion_values
from flows.retries import is_passing
from flows.settings import RetrainSettings
from flows.tracking import FINGERPRINT, MODEL, ModelRun, Tracker
from flows.train import load_model
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.comparison import PROMOTION_METRIC, Decision, decide, stronger_baseline
from ncf.evaluation.metrics import Values
from ncf.evaluation.ranking import HoldoutRanker, Scorer
from ncf.serving.recommender import ServedScorer


def best_of(models: Sequence[ModelRun]) -> ModelRun:
    """The best by validation NDCG@10, full ranking: the test holdout is for the report, not for choosing."""
    return max(models, key=lambda model: model.metrics[f"{BEST_VALIDATION}/{PROMOTION_METRIC}"])


@task(
    name="register challenger",
    task_run_name="register challenger",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=is_passing,
    cache_policy=NO_CACHE,
)
def register_challenger(tracker: Tracker, settings: RetrainSettings, model: ModelRun, data: PreparedData) -> int:
    """Register the best new model under the alias challenger. Returns its version."""
    figures = ", ".join(f"{title} {model.metrics[key]:.4f}" for title, key in COLUMNS.items())
    version = registry.register(
        tracker,
        settings.model_name,
        model,
        tags={MODEL: model.name, FINGERPRINT: data.fingerprint, "ncf.seed": str(settings.seed)},
        description=f"{model.name} trained on {data.name}. Test holdout: {figures}.",
    )
    get_run_logger().info("%s version %d is the challenger (%s)", settings.model_name, version, model.name)
    return version


@task(
    name="decide promotion",
    task_run_name="decide promotion",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=is_passing,
    cache_policy=NO_CACHE,
)
def decide_promotion(
    tracker: Tracker, settings: RetrainSettings, version: int, model: ModelRun, data: PreparedData
) -> Decision:
    """Judge challenger and champion on the same holdout by the same code, and move the alias if it is better."""
    name = settings.model_name
    decision = registry.earlier_decision(tracker, name, version)
    if decision is None:
        present = registry.champion(tracker, name)
        ranker = HoldoutRanker(data, "test", memory_mb=settings.hardware.scoring_memory_mb)
        decision = decide(
            _per_user(load_model(tracker, model), ranker),
            _per_user(Popularity(data), ranker),
            _per_user(ServedScorer(present.bundle, data), ranker) if present else None,
        )
    registry.apply(tracker, name, version, decision)
    get_run_logger().info(
        "version %d %s: %s", version, "promoted" if decision.promote else "kept back", decision.reason
    )
    return decision


def compare_with_baselines(tracker: Tracker, winner: ModelRun, baselines: Sequence[ModelRun]) -> str:
    """Say so if one of the baselines is better than the best new model; popularity is the decision's matter."""
    theirs = {run.name: promotion_values(tracker, run) for run in baselines if run.name != POPULARITY}
    return stronger_baseline(winner.name, promotion_values(tracker, winner), theirs)


def _per_user(scorer: Scorer, ranker: HoldoutRanker) -> Values:
    return ranker.rank_all(scorer).values()[PROMOTION_METRIC]
