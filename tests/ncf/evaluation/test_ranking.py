import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.ranking import HoldoutRanker, Ranks, SplitName
from tests.ncf.known import FixedScores, fixed, literal_data, pair_rows, random_data

both_parts = pytest.mark.parametrize("part", ["validation", "test"])

#           item 0  1  2  3  4  5
SCORES = [[9.0, 8.0, 5.0, 4.0, 6.0, 5.0], [1.0, 3.0, 9.0, 2.0, 7.0, 3.0], [0.0] * 6]


def test_validation_ranks_by_hand() -> None:
    ranks = HoldoutRanker(literal_data(), "validation").rank_all(fixed(SCORES))
    # user 0 has 0 and 1 in train: item 2 (5.0) against 3 (4.0), 4 (6.0), 5 (5.0, a tie lost)
    # user 1 has 0 and 2 in train: item 1 (3.0) against 3 (2.0), 4 (7.0), 5 (3.0, a tie lost)
    assert ranks.full.tolist() == [3, 3]
    assert ranks.sampled.tolist() == [3, 2]  # user 0: against 4 and 5; user 1: against 3 and 5


def test_test_ranks_by_hand() -> None:
    ranks = HoldoutRanker(literal_data(), "test").rank_all(fixed(SCORES))
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
    scorer = fixed([SCORES[0]] * 3)
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
        HoldoutRanker(literal_data(), "test").rank_all(fixed(broken))


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
