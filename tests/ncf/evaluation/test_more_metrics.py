import numpy as np
import pytest

from ncf.data import Indices
from ncf.evaluation.metrics import (
    CUTOFFS,
    METRICS,
    average_precision,
    hit,
    mean_with_interval,
    precision,
    recall,
    reciprocal_rank,
)
from ncf.evaluation.ranking import Ranks

K = [1, 5, 10, 20]


def ones_at(rank: int, length: int) -> list[int]:
    """The relevance of a list of items, of which the one at `rank` is the held-out one."""
    return [1 if place == rank else 0 for place in range(1, length + 1)]


def naive(metric: str, rank: int, k: int, length: int = 40) -> float:
    """From the textbook's definition over a list of relevances, for any number of relevant items."""
    relevance = ones_at(rank, length)
    first, relevant = relevance[:k], sum(relevance)
    precisions = [sum(first[: place + 1]) / (place + 1) for place in range(k) if first[place]]
    match metric:
        case "mrr":
            return next((1 / place for place, one in enumerate(first, start=1) if one), 0.0)
        case "recall":
            return sum(first) / relevant
        case "precision":
            return sum(first) / k
        case "map":
            return sum(precisions) / relevant
        case "ndcg":
            ideal = sorted(relevance, reverse=True)[:k]
            return sum(one / np.log2(p + 2) for p, one in enumerate(first)) / sum(
                one / np.log2(p + 2) for p, one in enumerate(ideal)
            )
        case "hr":
            return float(any(first))
    raise AssertionError(metric)


@pytest.mark.parametrize(
    ("rank", "mrr", "its_recall", "its_precision"),
    [(1, 1.0, 1.0, 0.2), (2, 0.5, 1.0, 0.2), (4, 0.25, 1.0, 0.2), (5, 0.2, 1.0, 0.2), (6, 0.0, 0.0, 0.0)],
)
def test_one_held_out_item_at_five(rank: int, mrr: float, its_recall: float, its_precision: float) -> None:
    ranks = np.array([rank])
    assert reciprocal_rank(ranks, 5).tolist() == [mrr]
    assert average_precision(ranks, 5).tolist() == [mrr]
    assert recall(ranks, 5).tolist() == [its_recall]
    assert precision(ranks, 5).tolist() == [its_precision]


@pytest.mark.parametrize("k", K)
@pytest.mark.parametrize("metric", ["hr", "ndcg", "mrr", "recall", "precision", "map"])
def test_every_metric_is_the_textbooks(metric: str, k: int) -> None:
    ranks = np.arange(1, 41)
    expected = [naive(metric, rank, k) for rank in ranks.tolist()]
    assert METRICS[metric](ranks, k).tolist() == pytest.approx(expected)


def test_no_other_metric_is_reported() -> None:
    assert list(METRICS) == ["hr", "ndcg", "mrr", "recall", "precision", "map"]
    assert list(CUTOFFS) == K


@pytest.mark.parametrize("rank", [1, 3, 17, 40])
def test_average_precision_of_a_whole_list_is_scikit_learns(rank: int) -> None:
    theirs = pytest.importorskip("sklearn.metrics").average_precision_score
    scores = -np.arange(40.0)
    assert average_precision(np.array([rank]), 40).tolist() == pytest.approx([theirs(ones_at(rank, 40), scores)])


@pytest.mark.parametrize("k", K)
def test_ndcg_is_scikit_learns(k: int) -> None:
    theirs = pytest.importorskip("sklearn.metrics").ndcg_score
    scores = [-np.arange(40.0)]
    ours = METRICS["ndcg"](np.arange(1, 41), k)
    assert ours.tolist() == pytest.approx([theirs([ones_at(rank, 40)], scores, k=k) for rank in range(1, 41)])


def test_a_longer_list_never_has_less(rng: np.random.Generator) -> None:
    ranks: Indices = rng.integers(1, 50, size=200)
    for metric in ("hr", "ndcg", "mrr", "recall", "map"):
        shorter, longer = METRICS[metric](ranks, 5), METRICS[metric](ranks, 20)
        assert (shorter <= longer).all()
        assert shorter.max() <= 1 and shorter.min() >= 0


def test_every_gives_all_metrics_at_all_cutoffs_for_both_protocols() -> None:
    ranks = Ranks(full=np.array([1, 6, 30]), sampled=np.array([2, 1, 11]))
    values = ranks.every()
    assert len(values) == 2 * 6 * 4
    assert values["full/mrr_at_10"].tolist() == pytest.approx([1, 1 / 6, 0])
    assert values["full/map_at_5"].tolist() == [1.0, 0.0, 0.0]
    assert values["sampled/precision_at_20"].tolist() == pytest.approx([0.05, 0.05, 0.05])
    assert values["sampled/recall_at_10"].tolist() == [1.0, 1.0, 0.0]
    assert values["sampled/hr_at_1"].tolist() == [0.0, 1.0, 0.0]
    for key, value in ranks.values().items():
        assert values[key].tolist() == value.tolist()


def test_every_takes_other_cutoffs() -> None:
    values = Ranks(full=np.array([3]), sampled=np.array([3])).every(cutoffs=(2, 3), metrics=("mrr",))
    assert {key: value.tolist() for key, value in values.items()} == {
        "full/mrr_at_2": [0.0],
        "full/mrr_at_3": [pytest.approx(1 / 3)],
        "sampled/mrr_at_2": [0.0],
        "sampled/mrr_at_3": [pytest.approx(1 / 3)],
    }


def test_values_per_user_make_intervals() -> None:
    ranks = np.array([1, 2, 4, 100])
    mean = mean_with_interval(reciprocal_rank(ranks, 10))
    assert mean.value == pytest.approx(1.75 / 4)
    assert mean.low < mean.value < mean.high
    assert mean_with_interval(precision(ranks, 10)).half_width == pytest.approx(
        mean_with_interval(hit(ranks, 10)).half_width / 10
    )
