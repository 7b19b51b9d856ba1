from math import log2

import numpy as np
import pytest

from ncf.data.split import Pairs
from ncf.evaluation.comparison import paired_difference
from ncf.monitoring.accuracy import NEVER, measure_accuracy, next_items, ranks_of
from ncf.monitoring.new_interactions import find_new_interactions
from ncf.serving.recommender import Recommender
from tests.ncf.monitoring.logs import LAST, SCORES, bundle_with, known_data, log_of
from tests.ncf.toy_data import pair_rows, pairs

FOLLOWING = pairs([(0, 5), (1, 3), (2, 4)])  # train has the items 3, 1, 1, 1, 0 and 0 times
RANKS, POPULAR = [1, 2, 2], [2, 1, 4]  # item 5 ties with item 4 for users 0 and 2


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(bundle_with(SCORES, metrics={"test/full/ndcg_at_10": 0.25}))


def ranked(recommender: Recommender, following: Pairs) -> list[list[int]]:
    return [ranks.tolist() for ranks in ranks_of(recommender, following)]


def test_ranks_among_what_the_user_had_not_met(recommender: Recommender) -> None:
    assert ranked(recommender, FOLLOWING) == [RANKS, POPULAR]


def test_blocks_of_users_make_no_difference(recommender: Recommender) -> None:
    one_by_one = Recommender(recommender.bundle)
    one_by_one.rows_at_once = 1
    assert ranked(one_by_one, FOLLOWING) == [RANKS, POPULAR]


def test_an_unknown_item_is_a_miss_for_both(recommender: Recommender) -> None:
    assert ranked(recommender, pairs([(0, 6), (1, 3)])) == [[NEVER, 2], [NEVER, 1]]
    measured = measure_accuracy(recommender, pairs([(0, 6), (1, 3)]))
    assert measured is not None
    assert measured.hr.value == measured.popularity_hr.value == 0.5


def test_means_and_intervals_by_hand(recommender: Recommender) -> None:
    measured = measure_accuracy(recommender, FOLLOWING)
    assert measured is not None
    assert (measured.users, measured.at_training) == (3, 0.25)
    assert (measured.hr.value, measured.hr.low, measured.hr.high) == pytest.approx((1, 0.438503, 1)), "Wilson's"
    ours, theirs = [1, 1 / log2(3), 1 / log2(3)], [1 / log2(3), 1, 1 / log2(5)]
    assert measured.ndcg.value == pytest.approx(np.mean(ours))
    assert measured.popularity_ndcg.value == pytest.approx(np.mean(theirs))
    gain = np.subtract(ours, theirs)
    assert measured.gain.value == pytest.approx(gain.mean())
    assert measured.gain == paired_difference(np.array(ours), np.array(theirs))


def test_a_single_user_is_too_few(recommender: Recommender) -> None:
    assert measure_accuracy(recommender, pairs([(0, 5)])) is None
    assert measure_accuracy(recommender, pairs([])) is None


def test_users_of_whom_nothing_was_learned_are_left_out() -> None:
    data = known_data(train=pairs([(0, 0), (0, 1), (2, 0), (2, 3)]))
    recommender = Recommender(bundle_with(SCORES, data))
    measured = measure_accuracy(recommender, FOLLOWING)
    assert measured is not None
    assert (measured.users, measured.at_training) == (2, None)


def test_the_first_new_item_of_each_known_user(recommender: Recommender) -> None:
    new = [(10, 5, 121), (10, 4, 120), (20, 9, 115), (40, 5, 110), (30, 1, LAST - 3), (30, 2, LAST), (30, 4, 130)]
    arrived = find_new_interactions(log_of(new), recommender.bundle)
    last_time = recommender.bundle.history.last_time
    assert pair_rows(next_items(arrived, last_time)) == [(0, 4), (1, 6), (2, 4)]
    assert pair_rows(next_items(arrived, None)) == [(0, 4), (1, 6), (2, 1)]
    assert pair_rows(next_items(find_new_interactions(log_of([]), recommender.bundle), last_time)) == []
