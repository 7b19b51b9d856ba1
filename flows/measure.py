"""What is measured of every model and baseline, and how it is kept in its MLflow run."""

import pandas as pd

from flows.keys import BEST_VALIDATION
from flows.notes import model_notes
from flows.tracking import ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.data.ratings import ITEM_ID, USER_ID
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.evaluate import Evaluation, evaluate
from ncf.evaluation.groups import group_table
from ncf.evaluation.metrics import Values
from ncf.evaluation.ranking import HoldoutRanker, Ranks, Scorer
from ncf.hardware import HardwareConfig

GROUPS, USERS = "groups.csv", "users.csv"
FULL_RANK, SAMPLED_RANK = "full_rank", "sampled_rank"


def measure(
    tracker: Tracker, run_id: str, scorer: Scorer, data: PreparedData, hardware: HardwareConfig
) -> dict[str, float]:
    """Every metric on the test holdout; its means by group and ranks by user become files of the run.

    Of the validation what chooses epochs and models, under a prefix of its own: "validation/" is the series by epoch.
    """
    memory_mb = hardware.scoring_memory_mb
    validation = HoldoutRanker(data, "validation", memory_mb=memory_mb).rank_all(scorer).summary()
    chosen_by = {name: value for key, mean in validation.items() for name, value in mean.figures(key).items()}
    test = evaluate(scorer, data, "test", memory_mb=memory_mb)
    tracker.artifacts.log_table(run_id, group_table(test.per_user, data, "test"), GROUPS)
    tracker.artifacts.log_table(run_id, _users(test, data), USERS)
    parts = {BEST_VALIDATION: chosen_by, "test": test.figures()}
    return {f"{part}/{key}": value for part, figures in parts.items() for key, value in figures.items()}


def promotion_values(tracker: Tracker, run: ModelRun) -> Values:
    """The promotion metric of each test user, from the ranks that were kept."""
    return kept_ranks(tracker, run).values()[PROMOTION_METRIC]


def kept_ranks(tracker: Tracker, run: ModelRun) -> Ranks:
    """The ranks of a finished model's test users, as its run keeps them."""
    users = tracker.artifacts.read_table(run.run_id, USERS)
    return Ranks(users[FULL_RANK].to_numpy(), users[SAMPLED_RANK].to_numpy())


def finish(tracker: Tracker, run_id: str, name: str, metrics: dict[str, float], data: PreparedData) -> ModelRun:
    """Log the metrics, describe the run, and mark it as complete: from now on it is not done again."""
    tracker.log_metrics(run_id, metrics)
    tracker.set_notes(run_id, model_notes(name, metrics, data))
    tracker.finish(run_id)
    return ModelRun(name, run_id, metrics)


def _users(measured: Evaluation, data: PreparedData) -> pd.DataFrame:
    pairs = data.test.pairs
    return pd.DataFrame(
        {
            USER_ID: data.user_ids[pairs.users],
            ITEM_ID: data.item_ids[pairs.items],
            FULL_RANK: measured.ranks.full,
            SAMPLED_RANK: measured.ranks.sampled,
        }
    )
