"""The loop of a worker, with real trainings of the checkerboard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ncf.config import GMFRecipe
from tests.tuning.slow_worker import Pace
from tests.tuning.small_studies import (
    GMF,
    RATE,
    SPACE,
    Notes,
    gmf_problem,
    gmf_recipe,
    open_board,
    run_board,
)
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig
from tuning.ranges import Choices, FloatRange, IntRange, Range
from tuning.summary import summarize
from tuning.work import run_trials, unfinished, work_left


def test_the_first_trial_has_the_settings_that_the_search_began_with(tmp_path: Path) -> None:
    notes = run_board(open_board(tmp_path), 2)
    assert notes.starts[0].recipe == GMF
    assert [start.number for start in notes.starts] == [0, 1]
    assert notes.starts[1].values != notes.starts[0].values
    assert [outcome.state for outcome in notes.outcomes] == ["complete"] * 2
    assert notes.outcomes[0].epochs == 2
    assert set(notes.outcomes[0].curve or {}) == {1, 2}


def test_the_score_is_the_best_validation_and_the_test_holdout_decides_nothing(tmp_path: Path) -> None:
    problem = gmf_problem()
    problem.data.test.pairs.items[:] = -1  # whoever looked at it would fail
    [outcome] = run_board(open_board(tmp_path, problem), 1).outcomes
    assert outcome.score == max([*(outcome.curve or {}).values(), outcome.score or 0])
    assert outcome.best_epoch is not None
    assert outcome.best_epoch == 0 or (outcome.curve or {})[outcome.best_epoch] == outcome.score


def test_a_budget_is_of_the_study_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    assert work_left(open_board(tmp_path), BudgetConfig(trials=2))
    assert len(run_board(open_board(tmp_path), 2).starts) == 2
    assert not work_left(open_board(tmp_path), BudgetConfig(trials=2))
    assert run_board(open_board(tmp_path), 2).starts == []
    assert [start.number for start in run_board(open_board(tmp_path), 3).starts] == [2]


def test_a_smaller_budget_than_was_used_is_no_error(tmp_path: Path) -> None:
    run_board(open_board(tmp_path), 2)
    assert run_board(open_board(tmp_path), 1).starts == []


def test_the_same_seed_searches_the_same_whether_it_is_interrupted_or_not(tmp_path: Path) -> None:
    whole = run_board(open_board(tmp_path / "whole"), 4)
    first, rest = (
        run_board(open_board(tmp_path / "parts"), 2),
        run_board(open_board(tmp_path / "parts"), 4),
    )
    assert [s.values for s in whole.starts] == [s.values for s in [*first.starts, *rest.starts]]
    assert [o.score for o in whole.outcomes] == [o.score for o in [*first.outcomes, *rest.outcomes]]
    assert len({start.values[RATE] for start in whole.starts}) == 4


@pytest.mark.parametrize("kind", ["tpe", "random", "gp"])
def test_every_sampler_searches_within_the_space(tmp_path: Path, kind: Any) -> None:
    space: dict[str, Range] = {
        **SPACE,
        "model.embedding_dim": IntRange(low=4, high=8, log=True),
        "training.gradient_clip": Choices(choices=(None, 1.0, 5)),
    }
    sampler = SamplerConfig(kind=kind, startup_trials=2)
    starts = run_board(open_board(tmp_path, gmf_problem(space), sampler), 4).starts
    assert len(starts) == 4
    for start in starts:
        recipe = start.recipe
        assert isinstance(recipe, GMFRecipe)
        assert 0.001 <= recipe.training.learning_rate <= 0.05
        assert 4 <= recipe.model.embedding_dim <= 8
        assert recipe.training.gradient_clip in (None, 1.0, 5)


def test_a_grid_runs_every_point_once_after_the_first_trial_and_then_ends(tmp_path: Path) -> None:
    space: dict[str, Range] = {
        RATE: FloatRange(low=0.01, high=0.03),
        "model.embedding_dim": Choices(choices=(4, 8)),
    }
    handle = open_board(tmp_path, gmf_problem(space), SamplerConfig(kind="grid", grid_points=3))
    first = run_board(handle, 3)
    assert work_left(handle, BudgetConfig(trials=100))
    rest = run_board(handle, 100)
    tried = [tuple(start.values.values()) for start in [*first.starts, *rest.starts]]
    assert not work_left(handle, BudgetConfig(trials=100))
    assert sorted(tried) == [(0.01, 4), (0.01, 8), (0.02, 4), (0.02, 8), (0.03, 4), (0.03, 8)]
    assert not unfinished(handle)


def test_the_median_pruner_gives_up_what_is_worse_than_half(tmp_path: Path) -> None:
    good = gmf_recipe(max_epochs=6, patience=9)
    pruner = PrunerConfig(kind="median", startup_trials=1, warmup_epochs=1)
    handle = open_board(tmp_path, gmf_problem({RATE: Choices(choices=(0.02, 0.0001))}, good), pruner=pruner)
    notes = run_board(handle, 6)
    slow = [outcome for outcome in notes.outcomes if outcome.values[RATE] == 0.0001]
    assert slow
    assert {outcome.state for outcome in slow} == {"pruned"}
    for outcome in slow:
        assert outcome.epochs == 2  # the first that may be given up
        assert outcome.score == max((outcome.curve or {}).values())
        assert outcome.seconds is not None
    best = summarize(handle).best
    assert best is not None
    assert best.values[RATE] == 0.02


def test_hyperband_gives_trials_up_too(tmp_path: Path) -> None:
    many = gmf_recipe(max_epochs=9, patience=20, batch_size=1024)
    pruner = PrunerConfig(kind="hyperband", warmup_epochs=1)
    notes = run_board(
        open_board(tmp_path, gmf_problem({RATE: FloatRange(low=0.0001, high=0.05)}, many), pruner=pruner), 6
    )
    assert {"complete", "pruned"} >= {outcome.state for outcome in notes.outcomes}
    assert any(outcome.state == "pruned" for outcome in notes.outcomes)


def test_minutes_end_a_study_after_the_trial_that_runs(tmp_path: Path) -> None:
    handle = open_board(tmp_path)
    notes = Notes(loggers=(Pace(0.1),))
    run_trials(handle, BudgetConfig(trials=1000, minutes=0.005), notes)
    assert 1 <= len(notes.starts) < 1000
    assert summarize(handle).minutes >= 0.005
    assert run_board(handle, 1000, minutes=0.005).starts == []
    assert len(run_board(handle, len(notes.starts) + 1).starts) == 1  # without a limit it goes on


@pytest.mark.parametrize("second", ["seconds", "size"])
def test_a_second_objective_has_a_front_and_no_pruning(tmp_path: Path, second: Any) -> None:
    space: dict[str, Range] = {"model.embedding_dim": IntRange(low=2, high=32), RATE: FloatRange(low=0.001, high=0.05)}
    problem = replace(gmf_problem(space), second=second)
    handle = open_board(
        tmp_path, problem, SamplerConfig(startup_trials=2), PrunerConfig(startup_trials=0, warmup_epochs=0)
    )
    run_board(handle, 5)
    found = summarize(handle)
    assert found.states == {"complete": 5}
    assert found.best is not None
    assert found.best.score == max(outcome.score or 0 for outcome in found.outcomes)
    for one in found.pareto:
        assert not any(
            (o.score or 0) >= (one.score or 0)
            and (o.second or 0) <= (one.second or 0)
            and (o.score, o.second) != (one.score, one.second)
            for o in found.outcomes
        )
    assert found.pareto
    if second == "size":
        users, items = problem.data.num_users, problem.data.num_items
        for outcome in found.outcomes:
            width = outcome.values["model.embedding_dim"]
            assert isinstance(width, int)
            assert outcome.second == (users + items + 1) * width + 1
