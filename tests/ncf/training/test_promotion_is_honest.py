"""Does the rule promote luck? Many trainings of the same settings, and some that are truly better.

On one CPU thread a training is bitwise the same each time, and so are these counts.
"""

from itertools import permutations

import pytest

from ncf.config import GMFConfig, TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import CandidateMetrics
from ncf.evaluation.metrics import Values
from ncf.evaluation.promotion import decide
from ncf.evaluation.ranking import HoldoutRanker, Scorer
from ncf.models.build import build_model
from ncf.training.fit import fit
from tests.ncf.toy_data import taste_data

pytestmark = pytest.mark.slow

SEEDS = 25  # 600 ordered pairs
ENOUGH = TrainingConfig(learning_rate=0.01, batch_size=1024, embedding_l2=0.0005, max_epochs=30)


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return taste_data(400, 120, factors=4, rows=20, seed=0)


def values(data: PreparedData, scorer: Scorer) -> Values:
    return HoldoutRanker(data, "test").rank_all(scorer).values()[PROMOTION_METRIC]


def trained(data: PreparedData, factors: int, seed: int, training: TrainingConfig = ENOUGH) -> Values:
    model = build_model(GMFConfig(embedding_dim=factors), data.num_users, data.num_items, seed)
    return values(data, fit(model, data, training, seed=seed).model)


def promoted(ours: list[Values], theirs: list[Values], popularity: Values, config: PromotionConfig) -> int:
    """How many of ours would take the place of how many of theirs."""
    return sum(
        decide(CandidateMetrics(mine), popularity, CandidateMetrics(other), config).promote
        for mine in ours
        for other in theirs
        if mine is not other
    )


@pytest.fixture(scope="module")
def same(data: PreparedData) -> list[Values]:
    return [trained(data, factors=8, seed=seed) for seed in range(SEEDS)]


def test_other_seeds_of_the_same_settings_promote_each_other_in_5_percent_of_trials_at_most(
    data: PreparedData, same: list[Values]
) -> None:
    popularity, pairs = values(data, Popularity(data)), len(list(permutations(same, 2)))
    assert pairs == 600
    by_default = promoted(same, same, popularity, PromotionConfig())
    by_users_alone = promoted(same, same, popularity, PromotionConfig(seed_widening=1.0))
    assert by_default <= 0.05 * pairs, f"{by_default} of {pairs}"
    assert by_default < by_users_alone, f"{by_default} and {by_users_alone}: the widening does nothing"


def test_a_model_with_the_factors_that_the_log_needs_is_promoted(data: PreparedData, same: list[Values]) -> None:
    popularity = values(data, Popularity(data))
    narrow = [trained(data, factors=2, seed=seed) for seed in range(3)]
    assert promoted(same[:3], narrow, popularity, PromotionConfig()) == 9
    assert promoted(narrow, same[:3], popularity, PromotionConfig()) == 0


def test_a_model_with_the_epochs_that_it_needs_is_promoted(data: PreparedData, same: list[Values]) -> None:
    popularity = values(data, Popularity(data))
    hasty = ENOUGH.model_copy(update={"max_epochs": 4})
    unfinished = [trained(data, factors=8, seed=seed, training=hasty) for seed in range(3)]
    assert promoted(same[:3], unfinished, popularity, PromotionConfig()) == 9
    assert promoted(unfinished, same[:3], popularity, PromotionConfig()) == 0
