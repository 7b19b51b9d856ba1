import math

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation.metrics import hit, ndcg
from ncf.evaluation.multi_item_ranking import hits_of_users, ndcg_of_users, rank_held_out
from ncf.evaluation.ranking import HoldoutRanker
from tests.ncf.toy_data import FixedScores, fixed_scores, pairs, random_data


def test_ranks_of_several_items_known_beforehand(literal: PreparedData) -> None:
    # user 0 has 0 and 1 in train: 2, 3, 4, 5 compete; user 2 has 0 and 3: 1, 2, 4, 5 do
    scorer = fixed_scores([[9, 8, 1, 4, 3, 2], [0] * 6, [9, 5, 5, 9, 5, 1]])
    held_out = pairs([(0, 2), (0, 3), (0, 5), (2, 1), (2, 5)])
    assert rank_held_out(scorer, literal, held_out).tolist() == [4, 1, 3, 3, 4]


def test_with_one_item_a_user_the_ranks_are_those_of_the_holdout_ranker(rng: np.random.Generator) -> None:
    data = random_data(rng, 40, 30)
    scorer = FixedScores(torch.as_tensor(rng.integers(0, 6, (40, 30)), dtype=torch.float32))  # with many ties
    expected = HoldoutRanker(data, "validation").rank_all(scorer).full
    for memory_mb in (1, 16):
        assert rank_held_out(scorer, data, data.validation.pairs, memory_mb=memory_mb).tolist() == expected.tolist()


def test_blocks_of_users_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_data(rng, 40, 30)
    scorer = FixedScores(torch.as_tensor(rng.random((40, 30))))
    known = {(user, item) for user, item in zip(data.train.users, data.train.items, strict=True)}
    held_out = pairs([(user, item) for user in range(40) for item in range(30) if (user, item) not in known])
    whole = rank_held_out(scorer, data, held_out)
    monkeypatch.setattr("ncf.evaluation.multi_item_ranking.users_at_once", lambda *_: 3)
    assert rank_held_out(scorer, data, held_out).tolist() == whole.tolist()


def test_scores_that_are_no_numbers_are_refused(literal: PreparedData) -> None:
    scores = torch.zeros(3, 6)
    scores[0, 4] = torch.nan
    with pytest.raises(ModelError, match="not numbers"):
        rank_held_out(FixedScores(scores), literal, pairs([(0, 2)]))


def test_no_pair_has_no_rank(literal: PreparedData) -> None:
    assert len(rank_held_out(fixed_scores([[0] * 6] * 3), literal, pairs([]))) == 0


def test_a_list_is_measured_as_a_whole() -> None:
    ranks, users = np.array([1, 3, 50, 11, 2]), np.array([4, 4, 4, 7, 9])
    assert hits_of_users(ranks, users, 10).tolist() == [1.0, 0.0, 1.0]
    best_of_three = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg_of_users(ranks, users, 10) == pytest.approx([(1 + 1 / 2) / best_of_three, 0, 1 / math.log2(3)])
    assert ndcg_of_users(np.arange(1, 31), np.zeros(30, dtype=np.int64), 10) == pytest.approx([1.0])


def test_with_one_item_a_user_they_are_the_metrics_of_the_house(rng: np.random.Generator) -> None:
    ranks, users = rng.integers(1, 30, 50), np.arange(50)
    assert hits_of_users(ranks, users, 10).tolist() == hit(ranks, 10).tolist()
    assert ndcg_of_users(ranks, users, 10) == pytest.approx(ndcg(ranks, 10))
