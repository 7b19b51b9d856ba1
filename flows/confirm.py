"""Tasks: the winner of a search and the settings it began with, trained again with other seeds."""

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from pytorch_lightning.loggers import MLFlowLogger

from flows.keys import BEST_EPOCH, BEST_VALIDATION, EPOCHS, SECONDS
from flows.store import global_store
from flows.tracking import ModelRun, Tracker
from flows.train import checkpoint_folder, remove_checkpoints
from ncf.content import content_key, flatten
from ncf.data.ratings import USER_ID
from ncf.evaluation.comparison import PROMOTION_METRIC
from tuning.confirm import Confirmation, Confirmed, conclude, confirm_one
from tuning.observer import Recipe
from tuning.problem import Problem

CONFIRM = "confirm-"  # begins the tag ncf.model of these runs
VALIDATION, NDCG = "validation_users.csv", "ndcg_at_10"
SCORE = f"{BEST_VALIDATION}/{PROMOTION_METRIC}"


def confirm(tracker: Tracker, parent_id: str, problem: Problem, winner: Recipe, seeds: tuple[int, ...]) -> Confirmation:
    """Compare the winner with the settings that the search began with. What is trained already is not trained again."""
    base = [confirm_training(tracker, parent_id, problem, problem.recipe, "default", seed) for seed in seeds]
    if winner == problem.recipe:
        return conclude(base, base)
    return conclude(
        [confirm_training(tracker, parent_id, problem, winner, "winner", seed) for seed in seeds],
        base,
    )


@task(name="confirm", task_run_name="confirm {role}, seed {seed}", cache_policy=NO_CACHE)
def confirm_training(
    tracker: Tracker, parent_id: str, problem: Problem, recipe: Recipe, role: str, seed: int
) -> Confirmed:
    """Train one recipe with one seed, in an MLflow run of its own."""
    key = f"{CONFIRM}{content_key(recipe.model_dump(mode='json'), seed)}"
    done = tracker.find_model(parent_id, key)
    if done is not None:
        return _read(tracker, done, seed)
    run_id = tracker.resume_model(parent_id, key, lambda run_id: checkpoint_folder(run_id).exists())
    settings = flatten({"seed": seed} | recipe.model_dump(mode="json"))
    title = f"confirm {role}, seed {seed}"
    run_id = run_id or tracker.start_model(parent_id, key, settings, problem.data, title)
    with global_store(tracker.uri):
        confirmed = confirm_one(
            problem,
            recipe,
            seed,
            loggers=[MLFlowLogger(tracker.dataset, tracking_uri=tracker.uri, run_id=run_id)],
            checkpoint_folder=checkpoint_folder(run_id),
            title=f"{problem.model}, {title}",
        )
    get_run_logger().info("%s: validation NDCG@10 %.4f", title, confirmed.score)
    _keep(tracker, run_id, problem, confirmed)
    return confirmed


def _keep(tracker: Tracker, run_id: str, problem: Problem, confirmed: Confirmed) -> None:
    """The value of every user, so that a comparison that was interrupted need not train again."""
    users = problem.data.user_ids[problem.data.validation.pairs.users]
    values = confirmed.values  # noqa: PD011 (no frame's)
    tracker.artifacts.log_table(run_id, pd.DataFrame({USER_ID: users, NDCG: values}), VALIDATION)
    figures = {
        SCORE: confirmed.score,
        EPOCHS: confirmed.epochs,
        BEST_EPOCH: confirmed.best_epoch,
        SECONDS: confirmed.seconds,
    }
    tracker.log_metrics(run_id, {name: float(value) for name, value in figures.items()})
    tracker.finish(run_id)
    remove_checkpoints(run_id)


def _read(tracker: Tracker, done: ModelRun, seed: int) -> Confirmed:
    return Confirmed(
        seed=seed,
        values=tracker.artifacts.read_table(done.run_id, VALIDATION)[NDCG].to_numpy(),
        score=done.metrics[SCORE],
        epochs=int(done.metrics[EPOCHS]),
        best_epoch=int(done.metrics[BEST_EPOCH]),
        seconds=done.metrics[SECONDS],
    )
