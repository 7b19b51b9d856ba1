import math

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import ItemKNN, Popularity, nearest_items, train_matrix
from ncf.evaluation.ranking import HoldoutRanker, users_at_once
from tests.ncf.toy_data import literal_data, pairs, random_data


def test_similarities_by_hand(literal: PreparedData) -> None:
    # train: item 0 has users 0, 1, 2; items 1, 2 and 3 one of them each; 4 and 5 nobody
    similar = nearest_items(train_matrix(literal), neighbours=6, shrinkage=0.0).toarray()
    near = 1 / math.sqrt(3)
    expected = np.zeros((6, 6))
    expected[0, 1:4] = expected[1:4, 0] = near
    assert similar == pytest.approx(expected)


def test_shrinkage_is_added_to_the_denominator(literal: PreparedData) -> None:
    similar = nearest_items(train_matrix(literal), neighbours=6, shrinkage=2.0).toarray()
    assert similar[0, 1] == pytest.approx(1 / (math.sqrt(3) + 2))


def test_of_equal_neighbours_the_first_of_the_catalogue_is_kept(literal: PreparedData) -> None:
    similar = nearest_items(train_matrix(literal), neighbours=1, shrinkage=0.0)
    assert similar.tocoo().coords[0].tolist() == [0, 1, 2, 3]
    assert similar.tocoo().coords[1].tolist() == [1, 0, 0, 0]


def test_scores_by_hand(literal: PreparedData) -> None:
    scores = ItemKNN(literal, neighbours=6, shrinkage=0.0).score_all(torch.tensor([2, 0]))
    near = 1 / math.sqrt(3)
    # user 2 has items 0 and 3: item 0 is near 3; items 1, 2 and 3 are near 0
    assert scores.tolist() == [
        pytest.approx([near, near, near, near, 0, 0]),
        pytest.approx([near, near, near, near, 0, 0]),
    ]
    assert scores.dtype == torch.float32


def test_a_pair_that_occurs_twice_counts_once() -> None:
    once = literal_data()
    twice = PreparedData(
        once.name,
        once.user_ids,
        once.item_ids,
        pairs([(0, 0), (0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 3), (2, 3)]),
        once.validation,
        once.test,
        once.titles,
    )
    users = torch.arange(3)
    for part in (once, twice):
        assert ItemKNN(part, neighbours=2, shrinkage=1.0).score_all(users).shape == (3, 6)
    assert torch.equal(*(ItemKNN(part, neighbours=2, shrinkage=1.0).score_all(users) for part in (once, twice)))


@pytest.mark.parametrize("neighbours", [1, 3, 50])
@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
def test_scores_against_naive_loops(neighbours: int, shrinkage: float, rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=30, num_items=20)
    seen = np.zeros((30, 20))
    seen[data.train.users, data.train.items] = 1
    expected = np.zeros((30, 20))
    for item in range(20):
        similarity = []
        for other in range(20):
            common = sum(seen[user, item] * seen[user, other] for user in range(30))
            length = math.sqrt(seen[:, item].sum() * seen[:, other].sum()) + shrinkage
            similarity.append(np.float32(common / length) if common and other != item else np.float32(0))
        for other in sorted(range(20), key=lambda other: -similarity[other])[:neighbours]:
            expected[:, item] += seen[:, other] * similarity[other]
    scores = ItemKNN(data, neighbours=neighbours, shrinkage=shrinkage).score_all(torch.arange(30))
    assert scores.numpy() == pytest.approx(expected, abs=1e-5)


def test_the_memory_allowed_does_not_matter(rng: np.random.Generator) -> None:
    seen = train_matrix(random_data(rng, num_users=20, num_items=600))
    whole, parts = (nearest_items(seen, 5, 1.0, memory_mb).toarray() for memory_mb in (100, 1))
    assert users_at_once(1, 600) < 600
    assert (parts == whole).all()


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
def test_it_finds_the_pattern_that_popularity_can_not(board: PreparedData, shrinkage: float) -> None:
    ranker = HoldoutRanker(board, "test")
    summary = ranker.rank_all(ItemKNN(board, neighbours=10, shrinkage=shrinkage)).summary(1)
    assert summary["full/hr_at_1"].value == summary["sampled/hr_at_1"].value == 1.0
    assert ranker.rank_all(Popularity(board)).summary(1)["full/hr_at_1"].value < 0.5


def test_an_item_that_nobody_has_is_no_error_and_comes_last(literal: PreparedData) -> None:
    knn = ItemKNN(literal, neighbours=3, shrinkage=0.0)
    assert knn.score_all(torch.tensor([0]))[0, 4:].tolist() == [0.0, 0.0]
    assert torch.isfinite(knn.score_all(torch.arange(3))).all()
