"""What a study has found, from trials whose facts are known; and its pictures."""

import time
from pathlib import Path
from typing import Any

import pytest
from optuna import create_trial
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from tests.tuning.small_studies import QUICK, RATE, gmf_problem, gmf_recipe, sqlite
from tuning.ranges import FloatRange
from tuning.records import BASE, Attr
from tuning.study import StudyHandle, open_study
from tuning.summary import figures, summarize

RATES = FloatRange(low=0.001, high=0.05, log=True)
DONE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def handle_of(folder: Path, second: Any = None) -> StudyHandle:
    return open_study(sqlite(folder), "board", gmf_problem({RATE: RATES}, second=second), config=QUICK)


def add(handle: StudyHandle, state: TrialState, rate: float, *values: float, **attrs: Any) -> None:
    curve = attrs.pop("curve", {})
    handle.study.add_trial(
        create_trial(
            state=state,
            values=values or None,
            params={RATE: rate},
            distributions={RATE: FloatDistribution(RATES.low, RATES.high, log=RATES.log)},
            user_attrs=attrs,
            intermediate_values=curve,
        )
    )


def test_a_study_without_trials_has_found_nothing(tmp_path: Path) -> None:
    found = summarize(handle_of(tmp_path))
    assert (found.outcomes, found.best, found.recipe, found.default, found.minutes) == ((), None, None, None, 0.0)
    assert figures(handle_of(tmp_path)) == {}


def test_the_best_is_the_first_of_the_complete_with_the_highest_score(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    facts = {Attr.QUEUED: BASE, Attr.EPOCHS: 4, Attr.BEST_EPOCH: 2, Attr.SECONDS: 9.0}
    add(handle, DONE, 0.02, 0.3, **facts, curve={1: 0.1, 2: 0.3})
    add(handle, PRUNED, 0.03, 0.1, **{Attr.EPOCHS: 2, Attr.BEST_EPOCH: 1}, curve={2: 0.1, 1: 0.9})
    add(handle, FAIL, 0.04, **{Attr.REASON: "out of memory"})
    add(handle, DONE, 0.01, 0.5)
    add(handle, DONE, 0.005, 0.5)
    found = summarize(handle)
    assert [outcome.state for outcome in found.outcomes] == ["complete", "pruned", "failed", "complete", "complete"]
    assert found.states == {"complete": 3, "pruned": 1, "failed": 1}
    assert found.best is not None
    assert (found.best.number, found.best.score, found.best.values) == (3, 0.5, {RATE: 0.01})
    assert found.recipe == gmf_recipe(learning_rate=0.01)
    assert found.default == found.outcomes[0]
    assert (found.default.epochs, found.default.best_epoch, found.default.seconds) == (4, 2, 9.0)
    assert found.outcomes[1].score == 0.9
    assert found.outcomes[1].curve == {1: 0.9, 2: 0.1}
    assert found.outcomes[2].reason == "out of memory"


def test_the_default_is_the_trial_that_did_the_work_of_the_first_in_the_end(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    add(handle, FAIL, 0.02, **{Attr.QUEUED: BASE})
    add(handle, DONE, 0.03, 0.4)
    assert summarize(handle).default is None
    add(handle, FAIL, 0.02, **{Attr.QUEUED: "again 0", Attr.FOLLOWS: 0, Attr.RETRY_OF: 0})
    add(handle, DONE, 0.02, 0.3, **{Attr.QUEUED: "again 2", Attr.FOLLOWS: 2, Attr.RETRY_OF: 0})
    found = summarize(handle).default
    assert found is not None
    assert (found.number, found.score) == (3, 0.3)


def test_minutes_are_those_in_which_something_ran(tmp_path: Path) -> None:
    handle, now = handle_of(tmp_path), time.time()
    add(handle, DONE, 0.02, 0.3, **{Attr.BEGAN: now - 6000, Attr.ENDED: now - 5940})
    add(handle, DONE, 0.03, 0.3, **{Attr.BEGAN: now - 5970, Attr.ENDED: now - 5910})  # beside it, on another machine
    add(handle, FAIL, 0.03, **{Attr.BEGAN: now - 600, Attr.ENDED: now - 570})  # killed after half a minute
    assert summarize(handle).minutes == pytest.approx(2.0)


def test_the_front_has_what_no_other_beats_in_both(tmp_path: Path) -> None:
    handle = handle_of(tmp_path, "seconds")
    add(handle, DONE, 0.02, 0.30, 10.0)
    add(handle, DONE, 0.03, 0.20, 5.0)
    add(handle, DONE, 0.04, 0.20, 6.0)
    add(handle, DONE, 0.01, 0.10, 20.0)
    found = summarize(handle)
    assert [(outcome.number, outcome.score, outcome.second) for outcome in found.pareto] == [
        (0, 0.30, 10.0),
        (1, 0.20, 5.0),
    ]
    assert found.best == found.outcomes[0]


def test_pictures_show_every_trial(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    for place in range(6):
        add(handle, DONE, 0.002 * (place + 1), 0.1 * place, curve={1: 0.05 * place, 2: 0.1 * place})
    found = figures(handle)
    assert set(found) == {"history", "importances", "slices", "parallel_coordinates", "intermediate_values"}
    assert list(found["history"].data[0].y) == pytest.approx([0.1 * place for place in range(6)])
    assert len(found["intermediate_values"].data) == 6
    assert "validation NDCG@10" in found["history"].to_html(include_plotlyjs=False)


def test_too_few_trials_leave_pictures_out(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    add(handle, DONE, 0.02, 0.3)
    assert set(figures(handle)) == {"history", "slices"}


def test_a_second_objective_has_a_picture_of_the_front_and_no_curves(tmp_path: Path) -> None:
    handle = handle_of(tmp_path, "size")
    for place in range(5):
        add(handle, DONE, 0.002 * (place + 1), 0.1 * place, float(place))
    found = figures(handle)
    assert set(found) == {"history", "importances", "slices", "parallel_coordinates", "pareto_front"}
    assert "number of weights" in found["pareto_front"].to_html(include_plotlyjs=False)
