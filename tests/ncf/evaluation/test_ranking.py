from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation import ranking
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.ranking import HoldoutRanker, Ranks, SplitName, users_at_once
from ncf.models.build import build_model
from tests.ncf.toy_data import FixedScores, fixed_scores, literal_data, pair_rows, pairs, random_data, scramble

both_parts = pytest.mark.parametrize("part", ["validation", "test"])

#           item 0  1  2  3  4  5
SCORES = [[9.0, 8.0, 5.0, 4.0, 6.0, 5.0], [1.0, 3.0, 9.0, 2.0, 7.0, 3.0], [0.0] * 6]


def test_validation_ranks_by_hand() -> None:
    ranks = HoldoutRanker(literal_data(), "validation").rank_all(fixed_scores(SCORES))
    # user 0 has 0 and 1 in train: item 2 (5.0) against 3 (4.0), 4 (6.0), 5 (5.0, a tie lost)
    # user 1 has 0 and 2 in train: item 1 (3.0) against 3 (2.0), 4 (7.0), 5 (3.0, a tie lost)
    assert ranks.full.tolist() == [3, 3]
    assert ranks.sampled.tolist() == [3, 2]  # user 0: against 4 and 5; user 1: against 3 and 5


def test_test_ranks_by_hand() -> None:
    ranks = HoldoutRanker(literal_data(), "test").rank_all(fixed_scores(SCORES))
    # user 0: item 3 (4.0) against 4 and 5, the validation item 2 being known; user 1: item 4 (7.0) against 3 and 5
    assert ranks.full.tolist() == [3, 1]
    assert ranks.sampled.tolist() == [3, 1]  # user 1's second candidate is padding


def naive_ranks(data: PreparedData, part: SplitName, scores: np.ndarray) -> tuple[list[int], list[int]]:
    """Pair by pair, in the words of the protocol."""
    holdout = data.validation if part == "validation" else data.test
    known = set(pair_rows(data.train)) | (set() if part == "validation" else set(pair_rows(data.validation.pairs)))
    full, sampled = [], []
    for (user, held_out), candidates in zip(pair_rows(holdout.pairs), holdout.candidates.tolist(), strict=True):
        full_rank, sampled_rank = 1, 1
        for item in range(data.num_items):
            competes = item != held_out and (user, item) not in known
            full_rank += competes and scores[user, item] >= scores[user, held_out]
        for item in candidates:
            competes = item not in (-1, held_out)
            sampled_rank += competes and scores[user, item] >= scores[user, held_out]
        full.append(int(full_rank))
        sampled.append(int(sampled_rank))
    return full, sampled


@both_parts
@pytest.mark.parametrize("levels", [3, 10**6])  # many ties, and none
def test_ranks_equal_a_naive_double_loop(part: SplitName, levels: int, rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    scores = rng.integers(0, levels, size=(60, 40)).astype(np.float32)
    ranks = HoldoutRanker(data, part).rank_all(FixedScores(torch.as_tensor(scores)))
    full, sampled = naive_ranks(data, part, scores)
    assert ranks.full.tolist() == full
    assert ranks.sampled.tolist() == sampled
    assert len(set(full)) > 5


def test_random_data_has_what_it_promises(rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    for part in (data.validation, data.test):
        assert (part.candidates == -1).any()
        assert (part.candidates == part.pairs.items[:, None]).any()
        assert len(part) < data.num_users


@both_parts
def test_train_items_do_not_compete(part: SplitName) -> None:
    data = literal_data()
    scores = torch.zeros(3, 6)
    scores[data.train.users, data.train.items] = 100.0
    scores[data.validation.pairs.users, data.validation.pairs.items] = 50.0
    scores[data.test.pairs.users, data.test.pairs.items] = 1.0
    ranks = HoldoutRanker(data, part).rank_all(FixedScores(scores))
    assert ranks.full.tolist() == [1, 1]


def test_the_test_item_competes_in_the_validation() -> None:
    data = literal_data()
    scores = torch.zeros(3, 6)
    scores[data.test.pairs.users, data.test.pairs.items] = 2.0
    scores[data.validation.pairs.users, data.validation.pairs.items] = 1.0
    assert HoldoutRanker(data, "validation").rank_all(FixedScores(scores)).full.tolist() == [2, 2]


@both_parts
@pytest.mark.parametrize("rows_at_once", [1, 7, 48, 1000])
def test_the_size_of_the_parts_does_not_matter(part: SplitName, rows_at_once: int, rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    scorer = FixedScores(torch.as_tensor(rng.integers(0, 9, size=(60, 40)), dtype=torch.float32))
    ranker = HoldoutRanker(data, part)
    whole = ranker.rank_all(scorer)
    ranker.rows_at_once = rows_at_once
    assert len(list(ranker)) == len(ranker) == -(-48 // rows_at_once)
    chunked = ranker.rank_all(scorer)
    assert chunked.full.tolist() == whole.full.tolist()
    assert chunked.sampled.tolist() == whole.sampled.tolist()


def test_ranking_leaves_the_scores_alone() -> None:
    scorer = fixed_scores([SCORES[0]] * 3)
    before = scorer.scores.clone()
    HoldoutRanker(literal_data(), "test").rank_all(scorer)
    assert torch.equal(scorer.scores, before)


def test_ranking_leaves_scores_shared_by_all_users_alone(literal: PreparedData) -> None:
    popularity = Popularity(literal)
    before = popularity.scores.clone()
    HoldoutRanker(literal, "test").rank_all(popularity)
    assert torch.equal(popularity.scores, before)


def test_a_score_that_is_nan_is_an_error() -> None:
    broken = [list(row) for row in SCORES]
    broken[1][5] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        HoldoutRanker(literal_data(), "test").rank_all(fixed_scores(broken))


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_held_out_item_without_a_score_is_an_error(value: float) -> None:
    data, broken = literal_data(), [list(row) for row in SCORES]
    broken[1][data.test.pairs.items[1]] = value
    ranker = HoldoutRanker(data, "test")
    for rank in (ranker.rank_all, ranker.rank_all_candidates):
        with pytest.raises(ModelError, match="not numbers"):
            rank(fixed_scores(broken))


def test_items_at_minus_infinity_do_not_compete() -> None:
    scores = [[float("-inf")] * 6, [float("-inf")] * 6, [0.0] * 6]
    scores[0][3] = scores[1][4] = -5.0  # the test items
    ranks = HoldoutRanker(literal_data(), "test").rank_all(fixed_scores(scores))
    assert ranks.full.tolist() == ranks.sampled.tolist() == [1, 1]


def test_equal_scores_give_the_last_rank() -> None:
    ranks = HoldoutRanker(literal_data(), "test").rank_all(fixed_scores([[0.0] * 6] * 3))
    assert ranks.full.tolist() == [3, 3]  # three items each are not in train, nor held out for the validation
    assert ranks.sampled.tolist() == [3, 2]


@both_parts
def test_a_held_out_item_that_is_also_in_train_competes_with_the_others(part: SplitName) -> None:
    data = literal_data()
    data = replace(data, train=pairs([*pair_rows(data.train), (0, 2), (0, 3)]))
    # user 0 has 0 to 3 in train; the item held out, 2 or 3, scores 5.0 or 4.0 against 6.0 and 5.0
    assert HoldoutRanker(data, part).rank_all(fixed_scores(SCORES)).full.tolist()[0] == 3


@dataclass(frozen=True)
class FixedPairs(FixedScores):
    """Scores pairs as a model does, and refuses to score the whole catalogue."""

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        return self.scores[users[:, None], items]

    def score_all(self, users: Tensor) -> Tensor:
        raise AssertionError("the candidates are enough")


@both_parts
@pytest.mark.parametrize("levels", [3, 10**6])
@pytest.mark.parametrize("pairs_at_once", [1, 8 * 7, 2**16])  # one user at a time, seven, all
def test_the_sampled_protocol_alone(
    part: SplitName, levels: int, pairs_at_once: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PAIRS_AT_ONCE", pairs_at_once)
    data = random_data(rng, num_users=60, num_items=40)
    scores = torch.as_tensor(rng.integers(0, levels, size=(60, 40)), dtype=torch.float32)
    ranker = HoldoutRanker(data, part)
    expected = naive_ranks(data, part, scores.numpy())[1]
    assert ranker.rank_all_candidates(FixedPairs(scores)).tolist() == expected
    assert ranker.rank_all_candidates(FixedScores(scores)).tolist() == expected  # has score_all only
    assert ranker.rank_candidates(FixedPairs(scores), slice(3, 9)).tolist() == expected[3:9]


@pytest.mark.parametrize("config", [GMFConfig(), MLPConfig(), NeuMFConfig()], ids=lambda config: config.kind)
def test_a_model_gives_its_candidates_the_ranks_it_gives_them_in_the_catalogue(
    config: ModelConfig, rng: np.random.Generator, generator: torch.Generator
) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    model = build_model(config, 60, 40, seed=0).eval()
    scramble(model, generator)  # scores far enough apart that rounding can't change their order
    ranker = HoldoutRanker(data, "test")
    alone = ranker.rank_all_candidates(model)
    assert alone.tolist() == ranker.rank_all(model).sampled.tolist()
    assert len(set(alone.tolist())) > 4


@pytest.mark.parametrize(("memory_mb", "num_items", "users"), [(1, 1_000, 250), (16, 3_706, 1_079), (1, 10**6, 1)])
def test_users_whose_scores_fit_into_the_memory(memory_mb: int, num_items: int, users: int) -> None:
    assert users_at_once(memory_mb, num_items) == users


def test_values_and_summary_have_the_metric_keys() -> None:
    ranks = Ranks(full=np.array([1, 3, 11, 2]), sampled=np.array([1, 1, 1, 40]))
    values = ranks.values()
    assert {key: value.tolist() for key, value in values.items() if key.endswith("/hr_at_10")} == {
        "full/hr_at_10": [1.0, 1.0, 0.0, 1.0],
        "sampled/hr_at_10": [1.0, 1.0, 1.0, 0.0],
    }
    assert sorted(values) == ["full/hr_at_10", "full/ndcg_at_10", "sampled/hr_at_10", "sampled/ndcg_at_10"]
    summary = ranks.summary()
    assert summary["full/hr_at_10"].value == 0.75
    assert summary["sampled/ndcg_at_10"].value == 0.75
    assert summary["full/ndcg_at_10"].value == pytest.approx((1 + 0.5 + 1 / np.log2(3)) / 4)


def test_another_cutoff_is_named_in_the_keys() -> None:
    summary = Ranks(full=np.array([1, 3]), sampled=np.array([2, 1])).summary(k=1)
    assert {key: mean.value for key, mean in summary.items()} == {
        "full/hr_at_1": 0.5,
        "full/ndcg_at_1": 0.5,
        "sampled/hr_at_1": 0.5,
        "sampled/ndcg_at_1": 0.5,
    }
