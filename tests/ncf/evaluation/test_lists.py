import math

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, ModelError
from ncf.evaluation.evaluate import TopLists, top_lists
from ncf.evaluation.ranking import HoldoutRanker, SplitName, top_items
from tests.ncf.toy_data import FixedScores, fixed_scores, pair_rows, random_data

INF = math.inf


@pytest.mark.parametrize(
    ("scores", "k", "items"),
    [
        ([1.0, 3.0, 2.0], 2, [1, 2]),
        ([1.0, 3.0, 2.0], 9, [1, 2, 0]),  # no longer than the catalogue
        ([2.0, 2.0, 2.0, 2.0], 2, [0, 1]),  # ties in the catalogue's order
        ([1.0, 2.0, 3.0, 2.0, 2.0], 3, [2, 1, 3]),
        ([-0.0, 0.0, -0.0], 3, [0, 1, 2]),
        ([-INF, 1.0, -INF], 2, [1, -1]),
        ([-INF, -INF], 2, [-1, -1]),
        ([INF, 1.0, INF], 2, [0, 2]),
        ([3.0, 2.0, 5.0, 3.0, 3.0], 2, [2, 0]),  # a tie at the end of the list
        ([3.0, 3.0, 5.0, 3.0, 3.0], 5, [2, 0, 1, 3, 4]),  # and one that the list holds whole
        ([-INF, 2.0, -INF, 2.0, 2.0], 2, [1, 3]),
        ([-INF, 2.0, -INF, 2.0, -INF], 4, [1, 3, -1, -1]),  # fewer than k
        ([INF, INF, INF, -INF], 2, [0, 1]),
    ],
)
def test_top_items(scores: list[float], k: int, items: list[int]) -> None:
    assert top_items(torch.tensor([scores]), k).tolist() == [items]


def test_a_score_that_is_nan_is_an_error() -> None:
    with pytest.raises(ModelError, match="not numbers.*finite scores"):
        top_items(torch.tensor([[0.0, float("nan")]]), 1)


def test_top_items_of_rows_with_and_without_a_tie_at_the_end() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0, 2.0], [1.0, 2.0, 3.0, 4.0], [-INF] * 4, [0.0] * 4])
    assert top_items(scores, 2).tolist() == [[2, 1], [3, 2], [-1, -1], [0, 1]]


def test_top_items_of_a_tie_on_a_row_of_a_whole_catalogue() -> None:
    scores = torch.zeros(3, 5_000)
    scores[1] = torch.arange(5_000)
    scores[2, 4_000:] = 1.0
    expected = [list(range(20)), list(range(4_999, 4_979, -1)), list(range(4_000, 4_020))]
    assert top_items(scores, 20).tolist() == expected


@pytest.mark.parametrize("levels", [2, 5, 10**6])  # many ties, and none
@pytest.mark.parametrize("k", [1, 4, 30])
def test_top_items_are_those_of_a_stable_sort(levels: int, k: int, rng: np.random.Generator) -> None:
    scores = rng.integers(0, levels, size=(50, 30)).astype(np.float32)
    scores[rng.random((50, 30)) < 0.3] = -INF
    expected = []
    for row in scores.tolist():
        order = sorted((i for i in range(30) if row[i] > -INF), key=lambda i: -row[i])[:k]
        expected.append(order + [-1] * (k - len(order)))
    assert top_items(torch.as_tensor(scores), k).tolist() == expected


def test_lists_leave_out_what_the_ranking_leaves_out(literal: PreparedData) -> None:
    scorer = fixed_scores([[9.0, 8.0, 5.0, 4.0, 6.0, 5.0], [1.0, 3.0, 9.0, 2.0, 7.0, 3.0], [0.0] * 6])
    validation = top_lists(scorer, HoldoutRanker(literal, "validation"), literal, 3)
    assert validation.items.tolist() == [[4, 2, 5], [4, 1, 5]]
    test = top_lists(scorer, HoldoutRanker(literal, "test"), literal, 4)
    assert test.items.tolist() == [[4, 5, 3, -1], [4, 5, 3, -1]]  # the validation items, 2 and 1, are known


def test_coverage_and_novelty_by_hand() -> None:
    # shares of the 8 interactions: 1/2, 1/4, 1/8, 1/8, and an item nobody has counts as one of 8
    lists = TopLists(np.array([[0, 1], [0, 4], [2, -1]]), np.array([4, 2, 1, 1, 0]))
    assert lists.coverage(1) == 2 / 5
    assert lists.coverage(2) == 4 / 5
    assert lists.novelty(1).tolist() == [1.0, 1.0, 3.0]
    assert lists.novelty(2).tolist() == [1.5, 2.0, 3.0]


def test_lists_can_not_be_read_beyond_their_length() -> None:
    lists = TopLists(np.array([[0, 1]]), np.array([1, 1, 1]))
    with pytest.raises(ConfigError, match=r"longer than the lists: 3.*1 to 2.*longer lists"):
        lists.coverage(3)
    whole = TopLists(np.array([[0, 1]]), np.array([1, 1]))
    assert whole.coverage(20) == 1.0  # the catalogue has no more


def naive_lists(data: PreparedData, part: SplitName, scores: np.ndarray, k: int) -> list[list[int]]:
    holdout = data.validation if part == "validation" else data.test
    known = set(pair_rows(data.train)) | (set() if part == "validation" else set(pair_rows(data.validation.pairs)))
    lists = []
    for user in holdout.pairs.users.tolist():
        offered = [item for item in range(data.num_items) if (user, item) not in known]
        lists.append(sorted(offered, key=lambda item: -scores[user, item])[:k])
    return lists


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("rows_at_once", [7, 1000])
def test_lists_against_naive_loops(part: SplitName, rows_at_once: int, rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    scores = rng.integers(0, 5, size=(60, 40)).astype(np.float32)
    ranker = HoldoutRanker(data, part)
    ranker.rows_at_once = rows_at_once
    lists = top_lists(FixedScores(torch.as_tensor(scores)), ranker, data, 5)
    expected = naive_lists(data, part, scores, 5)
    assert lists.items.tolist() == expected
    total = data.item_counts.sum()
    bits = [[-math.log2(max(data.item_counts[item], 1) / total) for item in items] for items in expected]
    assert lists.novelty(5).tolist() == pytest.approx([sum(row) / 5 for row in bits])
    assert lists.coverage(5) == len({item for items in expected for item in items}) / 40


def test_a_held_out_item_of_rank_one_heads_its_list(rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=60, num_items=40)
    scorer = FixedScores(torch.as_tensor(rng.random((60, 40)), dtype=torch.float32))
    ranker = HoldoutRanker(data, "test")
    ranks, lists = ranker.rank_all(scorer).full, top_lists(scorer, ranker, data, 40)
    for rank, item, items in zip(ranks, data.test.pairs.items, lists.items, strict=True):
        assert items[rank - 1] == item
