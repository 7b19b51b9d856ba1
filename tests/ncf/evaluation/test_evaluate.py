"""Ranks and lists of one scorer together."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.evaluate import evaluate, top_lists
from ncf.evaluation.ranking import HoldoutRanker
from tests.ncf.toy_data import FixedScores, random_data


def test_popularity_covers_little_and_is_no_news(board: PreparedData, rng: np.random.Generator) -> None:
    popular = evaluate(Popularity(board), board, "test").figures()
    scores = FixedScores(torch.as_tensor(rng.random((board.num_users, board.num_items)), dtype=torch.float32))
    chance = evaluate(scores, board, "test").figures()
    for k in (1, 5, 10):
        assert popular[f"full/coverage_at_{k}"] < chance[f"full/coverage_at_{k}"]
        assert popular[f"full/novelty_at_{k}"] < chance[f"full/novelty_at_{k}"]


def test_evaluate_gives_every_key_with_its_interval(literal: PreparedData) -> None:
    evaluation = evaluate(Popularity(literal), literal, "test", cutoffs=(1, 10))
    names = [f"{m}_at_{k}" for m in ("hr", "ndcg", "mrr", "recall", "precision", "map") for k in (1, 10)]
    keys = {f"{protocol}/{name}" for protocol in ("full", "sampled") for name in names}
    keys |= {"full/novelty_at_1", "full/novelty_at_10"}
    assert evaluation.per_user.keys() == keys
    assert {len(values) for values in evaluation.per_user.values()} == {2}
    figures = evaluation.figures()
    assert figures.keys() == keys | {f"{key}_ci95" for key in keys} | {"full/coverage_at_1", "full/coverage_at_10"}
    assert figures["full/mrr_at_10"] == pytest.approx((1 + 1 / 3) / 2)  # ranks 1 and 3
    assert figures["full/hr_at_1"] == 0.5


@dataclass
class Counting:
    """Scores all alike, and counts the users it was asked about."""

    num_items: int
    asked: int = 0

    def score_all(self, users: torch.Tensor) -> torch.Tensor:
        self.asked += len(users)
        return torch.zeros(len(users), self.num_items)


def test_evaluate_scores_each_user_once(rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    scorer = Counting(40)
    evaluate(scorer, data, "test")
    assert scorer.asked == len(data.test)


def test_evaluate_is_ranks_and_lists_together(rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    scorer = FixedScores(torch.as_tensor(rng.integers(0, 9, size=(60, 40)), dtype=torch.float32))
    evaluation, ranker = evaluate(scorer, data, "test"), HoldoutRanker(data, "test")
    ranks, lists = ranker.rank_all(scorer), top_lists(scorer, ranker, data)
    assert evaluation.ranks.full.tolist() == ranks.full.tolist()
    assert evaluation.per_user["sampled/map_at_5"].tolist() == ranks.every()["sampled/map_at_5"].tolist()
    assert evaluation.per_user["full/novelty_at_20"].tolist() == lists.novelty(20).tolist()
    assert evaluation.overall["full/coverage_at_5"] == lists.coverage(5)


def test_the_memory_allowed_does_not_matter(rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=40, num_items=9_000)
    scorer = FixedScores(torch.as_tensor(rng.integers(0, 900, size=(40, 9_000)), dtype=torch.float32))
    small, large = (evaluate(scorer, data, "test", memory_mb=memory_mb) for memory_mb in (1, 100))
    assert len(HoldoutRanker(data, "test", memory_mb=1)) == 2
    assert small.ranks.full.tolist() == large.ranks.full.tolist()
    assert small.ranks.sampled.tolist() == large.ranks.sampled.tolist()
    assert small.figures() == large.figures()
