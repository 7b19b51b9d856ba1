"""The gate's promises on newer data, on simulated nights whose truth is known."""

import numpy as np
import pytest

from benchmarks.promotion import GOOD, HOLDOUTS, SPREAD, cases, holdout, rows, series, share_promoted

NIGHTS, SERIES = 2000, 8


def test_the_simulated_users_are_like_those_of_movielens() -> None:
    ours, theirs = holdout(np.random.default_rng(0), 400_000, [GOOD, GOOD])
    assert ours.mean() == pytest.approx(GOOD, rel=0.02)
    assert (ours - theirs).std() == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("users", HOLDOUTS)
def test_an_equal_model_is_promoted_in_90_percent_of_nights_and_one_worse_by_two_margins_in_5(users: int) -> None:
    rng = np.random.default_rng(users)
    equal, margin = share_promoted(rng, users, 0.0, NIGHTS)
    assert equal >= 0.9
    assert share_promoted(rng, users, 2 * margin, NIGHTS)[0] <= 0.05


@pytest.mark.parametrize("users", HOLDOUTS)
def test_over_100_nights_equal_models_are_promoted_and_losses_stay_within_three_margins(users: int) -> None:
    rng = np.random.default_rng(users)
    margin = share_promoted(rng, users, 0.0, 200)[1]
    found = {
        case: [series(rng, users, recipe, config=config) for _ in range(SERIES)]
        for case, (recipe, config) in cases(margin).items()
    }
    without_anchor = found.pop("each half a margin below the champion, no anchor")
    assert np.mean([one.promoted for one in found["equal models"]]) >= 0.9
    for case, nights in found.items():
        assert max(one.lost.max() for one in nights) <= 3.0 * margin, case
    assert max(one.lost.max() for one in without_anchor) > 4.0 * margin, "else there is nothing to guard against"


def test_the_table_has_a_row_for_each_case() -> None:
    found = list(rows(943, nights=20, repeats=1))
    assert [row.case for row in found[:2]] == ["one night: equal", "one night: worse by a margin"]
    assert len(found) == 3 + len(cases(0.01))
    assert all(0 <= row.promoted <= 1 for row in found)
