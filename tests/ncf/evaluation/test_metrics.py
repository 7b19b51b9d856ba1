import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from ncf.errors import ModelError
from ncf.evaluation.metrics import Mean, hit, mean_with_interval, ndcg, rank_of

INF = math.inf


@pytest.mark.parametrize(
    ("target", "others", "rank"),
    [
        (5.0, [1.0, 2.0, 3.0], 1),
        (2.5, [1.0, 2.0, 3.0], 2),
        (0.5, [1.0, 2.0, 3.0], 4),
        (2.0, [1.0, 2.0, 3.0], 3),  # a tie takes the worst place
        (3.0, [3.0, 3.0, 1.0], 3),
        (0.0, [0.0, 0.0, 0.0], 4),  # a model that says the same of all comes last
        (-9.0, [-INF, -INF, -10.0], 1),  # -inf does not compete
        (-9.0, [-INF, -INF, -INF], 1),
        (7.0, [INF, 1.0, 2.0], 2),
        (0.0, [-0.0, 1.0, -1.0], 3),
    ],
)
def test_rank(target: float, others: list[float], rank: int) -> None:
    assert rank_of(torch.tensor([target]), torch.tensor([others])).tolist() == [rank]


def test_alone_is_first() -> None:
    assert rank_of(torch.tensor([0.5]), torch.empty(1, 0)).tolist() == [1]


def test_each_row_is_ranked_for_itself() -> None:
    ranks = rank_of(torch.tensor([1.0, 2.0]), torch.tensor([[0.0, 2.0], [0.0, 1.0]]))
    assert ranks.tolist() == [2, 1]
    assert ranks.dtype == torch.int64


@pytest.mark.parametrize(
    ("target", "others"),
    [(math.nan, [1.0, 2.0]), (1.0, [math.nan, 2.0]), (-INF, [1.0, 2.0]), (-INF, [-INF, -INF])],
)
def test_scores_without_a_meaning_are_an_error(target: float, others: list[float]) -> None:
    with pytest.raises(ModelError, match=r"not numbers.*finite scores.*smaller learning rate"):
        rank_of(torch.tensor([0.0, target]), torch.tensor([[1.0, 2.0], others]))


@pytest.mark.parametrize(
    ("rank", "expected_hit", "expected_ndcg"),
    [
        (1, 1.0, 1.0),
        (2, 1.0, 1 / math.log2(3)),
        (3, 1.0, 0.5),
        (10, 1.0, 1 / math.log2(11)),
        (11, 0.0, 0.0),
        (3706, 0.0, 0.0),
    ],
)
def test_hit_and_ndcg_at_ten(rank: int, expected_hit: float, expected_ndcg: float) -> None:
    assert hit(np.array([rank]), 10).tolist() == [expected_hit]
    assert ndcg(np.array([rank]), 10).tolist() == pytest.approx([expected_ndcg])


def test_the_cutoff_is_an_argument() -> None:
    ranks = np.array([1, 2, 3])
    assert hit(ranks, 2).tolist() == [1.0, 1.0, 0.0]
    assert ndcg(ranks, 1).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("k", [1, 5, 10])
def test_metrics_against_a_naive_loop(k: int, rng: np.random.Generator) -> None:
    target, others = rng.integers(0, 20, 200).astype(float), rng.integers(0, 20, (200, 30)).astype(float)
    ranks = rank_of(torch.as_tensor(target), torch.as_tensor(others)).numpy()
    naive = [1 + sum(other >= mine for other in row) for mine, row in zip(target, others, strict=True)]
    assert ranks.tolist() == naive
    assert hit(ranks, k).tolist() == [1.0 if rank <= k else 0.0 for rank in naive]
    assert ndcg(ranks, k).tolist() == pytest.approx([1 / math.log2(r + 1) if r <= k else 0.0 for r in naive])


@pytest.mark.parametrize("k", [1, 5, 10])
def test_ndcg_without_ties_is_scikit_learns(k: int, rng: np.random.Generator) -> None:
    theirs = pytest.importorskip("sklearn.metrics").ndcg_score
    scores = rng.normal(size=(100, 31))
    relevance = np.eye(1, 31)
    ranks = rank_of(torch.as_tensor(scores[:, 0]), torch.as_tensor(scores[:, 1:])).numpy()
    np.testing.assert_allclose(ndcg(ranks, k), [theirs(relevance, row[None], k=k) for row in scores], atol=1e-12)


def test_mean_with_interval_literal() -> None:
    mean = mean_with_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    half = 3.182446 * math.sqrt(5 / 3) / 2  # Student's t with 3 degrees of freedom; sample variance 5/3, four users
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.5, 2.5 - half, 2.5 + half), abs=1e-6)
    assert mean.half_width == pytest.approx(half, abs=1e-6)


@pytest.mark.parametrize(("hits", "users"), [(0, 19), (1, 19), (19, 19), (0, 2), (7, 15), (130, 943), (943, 943)])
def test_the_interval_of_a_hit_rate_is_wilsons(hits: int, users: int) -> None:
    mean = mean_with_interval(np.repeat([1.0, 0.0], [hits, users - hits]))
    wilson = binomtest(hits, users).proportion_ci(method="wilson")
    assert (mean.value, mean.low, mean.high) == pytest.approx((hits / users, wilson.low, wilson.high), abs=1e-9)


def test_no_hit_among_nineteen_users_is_no_proof_of_none() -> None:
    mean = mean_with_interval(np.zeros(19))
    assert (mean.low, mean.high) == pytest.approx((0, 0.168), abs=5e-4)


def test_what_a_hit_is_worth_scales_the_interval() -> None:
    ones = np.repeat([1.0, 0.0], [4, 26])
    whole, tenth = mean_with_interval(ones), mean_with_interval(ones / 10)
    assert (tenth.low, tenth.high) == pytest.approx((whole.low / 10, whole.high / 10))


def test_equal_values_above_one_have_no_width() -> None:
    assert mean_with_interval(np.array([5.5, 5.5])) == Mean(5.5, 5.5, 5.5)


@pytest.mark.parametrize(("users", "share"), [(15, 0.02), (19, 0.15), (50, 0.05), (200, 0.05), (943, 0.15)])
def test_the_interval_of_ndcg_holds_for_few_users_and_few_hits(
    users: int, share: float, rng: np.random.Generator
) -> None:
    gains = ndcg(np.arange(1, 11), 10)
    means = [
        mean_with_interval(np.where(rng.random(users) < share, rng.choice(gains, users), 0.0)) for _ in range(1000)
    ]
    assert np.mean([mean.low <= share * gains.mean() <= mean.high for mean in means]) > 0.92
    assert min(mean.half_width for mean in means) > 0


def test_a_single_user_tells_nothing_about_the_others() -> None:
    assert mean_with_interval(np.array([0.75])) == Mean(0.75, -INF, INF)


def test_the_interval_covers_the_truth_nineteen_times_in_twenty(rng: np.random.Generator) -> None:
    means = [mean_with_interval((rng.random(400) < 0.3).astype(float)) for _ in range(2000)]
    covered = np.mean([mean.low <= 0.3 <= mean.high for mean in means])
    assert 0.93 < covered < 0.97


def test_a_mean_is_written_with_its_half_width() -> None:
    assert str(Mean(0.25, 0.2, 0.3)) == "0.2500 ±0.0500"
