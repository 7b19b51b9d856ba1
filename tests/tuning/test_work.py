"""The loop of a worker, with real trainings of the checkerboard."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import Logger

from ncf.config import GMFRecipe
from ncf.errors import ModelError
from tests.tuning.small import GMF, QUICK, RATE, SPACE, Notes, gmf, gmf_problem, sqlite
from tests.tuning.worker import Pace
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig
from tuning.errors import StudyError
from tuning.observer import TrialStart
from tuning.problem import Problem
from tuning.ranges import Choices, FloatRange, IntRange, Range
from tuning.study import StudyHandle, open_study
from tuning.summary import summarise
from tuning.work import run_trials, unfinished, work_left

RANDOM, NO_PRUNING = SamplerConfig(kind="random"), PrunerConfig(kind="none")


def opened(
    folder: Path, problem: Problem | None = None, sampler: SamplerConfig = RANDOM, pruner: PrunerConfig = NO_PRUNING
) -> StudyHandle:
    return open_study(sqlite(folder), "board", problem or gmf_problem(), sampler, pruner, QUICK)


def run(handle: StudyHandle, trials: int, **others: Any) -> Notes:
    notes = Notes()
    run_trials(handle, BudgetConfig(trials=trials, **others), notes)
    return notes


def test_the_first_trial_has_the_settings_that_the_search_began_with(tmp_path: Path) -> None:
    notes = run(opened(tmp_path), 2)
    assert notes.starts[0].recipe == GMF
    assert [start.number for start in notes.starts] == [0, 1]
    assert notes.starts[1].values != notes.starts[0].values
    assert [outcome.state for outcome in notes.outcomes] == ["complete"] * 2
    assert notes.outcomes[0].epochs == 2
    assert set(notes.outcomes[0].curve or {}) == {1, 2}


def test_the_score_is_the_best_validation_and_the_test_holdout_decides_nothing(tmp_path: Path) -> None:
    problem = gmf_problem()
    problem.data.test.pairs.items[:] = -1  # whoever looked at it would fail
    [outcome] = run(opened(tmp_path, problem), 1).outcomes
    assert outcome.score == max([*(outcome.curve or {}).values(), outcome.score or 0])
    assert outcome.best_epoch is not None
    assert outcome.best_epoch == 0 or (outcome.curve or {})[outcome.best_epoch] == outcome.score


def test_a_budget_is_of_the_study_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    assert work_left(opened(tmp_path), BudgetConfig(trials=2))
    assert len(run(opened(tmp_path), 2).starts) == 2
    assert not work_left(opened(tmp_path), BudgetConfig(trials=2))
    assert run(opened(tmp_path), 2).starts == []
    assert [start.number for start in run(opened(tmp_path), 3).starts] == [2]


def test_a_smaller_budget_than_was_used_is_no_error(tmp_path: Path) -> None:
    run(opened(tmp_path), 2)
    assert run(opened(tmp_path), 1).starts == []


def test_the_same_seed_searches_the_same_whether_it_is_interrupted_or_not(tmp_path: Path) -> None:
    whole = run(opened(tmp_path / "whole"), 4)
    first, rest = run(opened(tmp_path / "parts"), 2), run(opened(tmp_path / "parts"), 4)
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
    starts = run(opened(tmp_path, gmf_problem(space), sampler), 4).starts
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
    handle = opened(tmp_path, gmf_problem(space), SamplerConfig(kind="grid", grid_points=3))
    first = run(handle, 3)
    assert work_left(handle, BudgetConfig(trials=100))
    rest = run(handle, 100)
    tried = [tuple(start.values.values()) for start in [*first.starts, *rest.starts]]
    assert not work_left(handle, BudgetConfig(trials=100))
    assert sorted(tried) == [(0.01, 4), (0.01, 8), (0.02, 4), (0.02, 8), (0.03, 4), (0.03, 8)]
    assert not unfinished(handle)


def test_the_median_pruner_gives_up_what_is_worse_than_half(tmp_path: Path) -> None:
    good = gmf(max_epochs=6, patience=9)
    pruner = PrunerConfig(kind="median", startup_trials=1, warmup_epochs=1)
    handle = opened(tmp_path, gmf_problem({RATE: Choices(choices=(0.02, 0.0001))}, good), pruner=pruner)
    notes = run(handle, 6)
    slow = [outcome for outcome in notes.outcomes if outcome.values[RATE] == 0.0001]
    assert slow
    assert {outcome.state for outcome in slow} == {"pruned"}
    for outcome in slow:
        assert outcome.epochs == 2  # the first that may be given up
        assert outcome.score == max((outcome.curve or {}).values())
        assert outcome.seconds is not None
    best = summarise(handle).best
    assert best is not None
    assert best.values[RATE] == 0.02


def test_hyperband_gives_trials_up_too(tmp_path: Path) -> None:
    many = GMF.model_copy(
        update={"training": GMF.training.model_copy(update={"max_epochs": 9, "patience": 20, "batch_size": 1024})}
    )
    pruner = PrunerConfig(kind="hyperband", warmup_epochs=1)
    notes = run(opened(tmp_path, gmf_problem({RATE: FloatRange(low=0.0001, high=0.05)}, many), pruner=pruner), 6)
    assert {"complete", "pruned"} >= {outcome.state for outcome in notes.outcomes}
    assert any(outcome.state == "pruned" for outcome in notes.outcomes)


def test_minutes_end_a_study_after_the_trial_that_runs(tmp_path: Path) -> None:
    handle = opened(tmp_path)
    notes = Notes(loggers=(Pace(0.1),))
    run_trials(handle, BudgetConfig(trials=1000, minutes=0.005), notes)
    assert 1 <= len(notes.starts) < 1000
    assert summarise(handle).minutes >= 0.005
    assert run(handle, 1000, minutes=0.005).starts == []
    assert len(run(handle, len(notes.starts) + 1).starts) == 1  # without a limit it goes on


class Breaking(Logger):
    """Fails as torch does when memory runs out, from the second trial on if so asked."""

    name, version = "breaking", 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        raise RuntimeError("CUDA out of memory")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass


class BreakingIn(Notes):
    """Makes the trials with these numbers fail."""

    broken: Sequence[int] = ()

    def started(self, trial: TrialStart) -> Sequence[Logger]:
        super().started(trial)
        return (Breaking(),) if trial.number in self.broken else ()


def breaking_in(*numbers: int) -> BreakingIn:
    notes = BreakingIn()
    notes.broken = numbers
    return notes


def test_a_failing_trial_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    handle, notes = opened(tmp_path), breaking_in(1)
    run_trials(handle, BudgetConfig(trials=3), notes)
    assert [outcome.state for outcome in notes.outcomes] == ["complete", "failed", "complete"]
    assert notes.outcomes[1].reason == "RuntimeError: CUDA out of memory"
    assert run(handle, 3).starts == []  # it counts, and is not tried again


def test_scores_that_are_no_numbers_fail_the_trial_with_that_reason(tmp_path: Path) -> None:
    strong: dict[str, Range] = {"training.embedding_l2": Choices(choices=(0.0, 1e9))}  # each step overshoots zero
    plain = gmf(optimizer="sgd")
    notes = run(opened(tmp_path, gmf_problem(strong, plain), SamplerConfig(kind="grid")), 9)
    assert [outcome.state for outcome in notes.outcomes] == ["complete", "failed"]
    assert "scores that are not numbers" in notes.outcomes[1].reason


def test_a_combination_that_the_recipe_refuses_fails_the_trial_with_the_reason(tmp_path: Path) -> None:
    space: dict[str, Range] = {
        "training.negatives": Choices(choices=("uniform", "all")),
        "training.loss": Choices(choices=("bce", "bpr")),
    }
    notes = run(opened(tmp_path, gmf_problem(space), SamplerConfig(kind="grid")), 100)
    assert [o.state for o in notes.outcomes].count("failed") == 1
    [failed] = [outcome for outcome in notes.outcomes if outcome.state == "failed"]
    assert failed.values == {"training.negatives": "all", "training.loss": "bpr"}
    assert "bpr needs drawn negatives" in failed.reason
    assert failed.number not in [start.number for start in notes.starts]


@pytest.mark.parametrize(("budget", "failures"), [(10, 3), (2, 2), (1, 1)])
def test_if_all_of_the_first_trials_fail_the_study_stops_with_the_reason(
    tmp_path: Path, budget: int, failures: int
) -> None:
    notes = breaking_in(*range(10))
    with pytest.raises(ModelError, match=f"all of the first {failures} trials .*CUDA out of memory"):
        run_trials(opened(tmp_path), BudgetConfig(trials=budget), notes)
    assert len(notes.starts) == failures


def test_after_all_failed_another_start_tries_once_more_and_goes_on_if_that_works(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        run_trials(opened(tmp_path), BudgetConfig(trials=6), breaking_in(0, 1, 2))
    assert [outcome.state for outcome in run(opened(tmp_path), 6).outcomes] == ["complete"] * 3


def test_failures_after_a_success_stop_nothing(tmp_path: Path) -> None:
    notes = breaking_in(1, 2, 3, 4)
    run_trials(opened(tmp_path), BudgetConfig(trials=5), notes)
    assert len(notes.outcomes) == 5


class Stopping(Logger):
    """Presses Ctrl-C in the middle of a trial."""

    name, version = "stopping", 0

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        raise self.error

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass


def test_an_interrupted_trial_is_queued_again_at_once_with_its_values(tmp_path: Path) -> None:
    run(opened(tmp_path), 1)
    stopped = Notes(loggers=(Stopping(SystemExit(143)),))
    with pytest.raises(SystemExit):
        run_trials(opened(tmp_path), BudgetConfig(trials=3), stopped)
    handle = opened(tmp_path)
    assert not unfinished(handle)
    assert summarise(handle).waiting == 1
    assert work_left(handle, BudgetConfig(trials=1))
    rest = run(handle, 3)
    assert [(start.number, start.retry_of) for start in rest.starts] == [(2, 1), (3, None)]
    assert rest.starts[0].values == stopped.starts[0].values
    assert [outcome.state for outcome in summarise(handle).outcomes] == [
        "complete",
        "interrupted",
        "complete",
        "complete",
    ]


def test_an_observer_that_fails_stops_the_worker_and_costs_no_trial(tmp_path: Path) -> None:
    class Away(Notes):
        def started(self, trial: TrialStart) -> Sequence[Logger]:
            raise ConnectionError("the tracking server is away")

    with pytest.raises(ConnectionError):
        run_trials(opened(tmp_path), BudgetConfig(trials=2), Away())
    rest = run(opened(tmp_path), 2)
    assert [outcome.state for outcome in rest.outcomes] == ["complete"] * 2
    assert rest.starts[0].retry_of == 0


def test_a_database_that_fails_stops_the_worker_and_the_next_start_goes_on(tmp_path: Path) -> None:
    class Breaks(Notes):
        def started(self, trial: TrialStart) -> Sequence[Logger]:
            super().started(trial)
            if trial.number == 1:
                (tmp_path / "studies.db").rename(tmp_path / "moved.db")
                handle.database.storage.engine.dispose()
            return ()

    handle = opened(tmp_path)
    with pytest.raises(StudyError, match="can't be used"):
        run_trials(handle, BudgetConfig(trials=3), Breaks())
    (tmp_path / "studies.db").unlink(missing_ok=True)
    (tmp_path / "moved.db").rename(tmp_path / "studies.db")
    assert unfinished(opened(tmp_path))


@pytest.mark.parametrize("second", ["seconds", "size"])
def test_a_second_objective_has_a_front_and_no_pruning(tmp_path: Path, second: Any) -> None:
    space: dict[str, Range] = {"model.embedding_dim": IntRange(low=2, high=32), RATE: FloatRange(low=0.001, high=0.05)}
    problem = replace(gmf_problem(space), second=second)
    handle = opened(tmp_path, problem, SamplerConfig(startup_trials=2), PrunerConfig(startup_trials=0, warmup_epochs=0))
    run(handle, 5)
    found = summarise(handle)
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
