"""What becomes of trials that fail or are cut off, and of the worker and the study around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import Logger
from typing_extensions import override

from ncf.errors import ModelError
from tests.tuning.small_studies import Notes, gmf_problem, gmf_recipe, open_board, run_board
from tuning.config import BudgetConfig, SamplerConfig
from tuning.database import StudyError
from tuning.problem import TrialStart
from tuning.ranges import Choices, Range
from tuning.summary import summarize
from tuning.work import run_trials, unfinished, work_left


class Raising(Logger):
    """Ends a trial with an error in its first epoch."""

    name, version = "raising", 0

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        raise self.error

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass


@dataclass
class Failing(Notes):
    """Makes the trials with these numbers fail, as torch does when memory runs out."""

    numbers: Sequence[int] = ()

    @override
    def started(self, trial: TrialStart) -> Sequence[Logger]:
        super().started(trial)
        return (Raising(RuntimeError("CUDA out of memory")),) if trial.number in self.numbers else ()


def test_a_failing_trial_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    handle, notes = open_board(tmp_path), Failing(numbers=[1])
    run_trials(handle, BudgetConfig(trials=3), notes)
    assert [outcome.state for outcome in notes.outcomes] == ["complete", "failed", "complete"]
    assert notes.outcomes[1].reason == "RuntimeError: CUDA out of memory"
    assert run_board(handle, 3).starts == []  # it counts, and is not tried again


def test_scores_that_are_no_numbers_fail_the_trial_with_that_reason(tmp_path: Path) -> None:
    strong: dict[str, Range] = {"training.embedding_l2": Choices(choices=(0.0, 1e9))}  # each step overshoots zero
    plain = gmf_recipe(optimizer="sgd")
    notes = run_board(open_board(tmp_path, gmf_problem(strong, plain), SamplerConfig(kind="grid")), 9)
    assert [outcome.state for outcome in notes.outcomes] == ["complete", "failed"]
    assert "scores that are not numbers" in notes.outcomes[1].reason


def test_a_combination_that_the_recipe_refuses_fails_the_trial_with_the_reason(tmp_path: Path) -> None:
    space: dict[str, Range] = {
        "training.negatives": Choices(choices=("uniform", "all")),
        "training.loss": Choices(choices=("bce", "bpr")),
    }
    notes = run_board(open_board(tmp_path, gmf_problem(space), SamplerConfig(kind="grid")), 100)
    assert [o.state for o in notes.outcomes].count("failed") == 1
    [failed] = [outcome for outcome in notes.outcomes if outcome.state == "failed"]
    assert failed.values == {"training.negatives": "all", "training.loss": "bpr"}
    assert "bpr needs drawn negatives" in failed.reason
    assert failed.number not in [start.number for start in notes.starts]


@pytest.mark.parametrize(("budget", "failures"), [(10, 3), (2, 2), (1, 1)])
def test_if_all_of_the_first_trials_fail_the_study_stops_with_the_reason(
    tmp_path: Path, budget: int, failures: int
) -> None:
    notes = Failing(numbers=range(10))
    with pytest.raises(ModelError, match=f"all of the first {failures} trials .*CUDA out of memory"):
        run_trials(open_board(tmp_path), BudgetConfig(trials=budget), notes)
    assert len(notes.starts) == failures


def test_after_all_failed_another_start_tries_once_more_and_goes_on_if_that_works(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        run_trials(open_board(tmp_path), BudgetConfig(trials=6), Failing(numbers=[0, 1, 2]))
    assert [outcome.state for outcome in run_board(open_board(tmp_path), 6).outcomes] == ["complete"] * 3


def test_failures_after_a_success_stop_nothing(tmp_path: Path) -> None:
    notes = Failing(numbers=[1, 2, 3, 4])
    run_trials(open_board(tmp_path), BudgetConfig(trials=5), notes)
    assert len(notes.outcomes) == 5


def test_an_interrupted_trial_is_queued_again_at_once_with_its_values(tmp_path: Path) -> None:
    run_board(open_board(tmp_path), 1)
    stopped = Notes(loggers=(Raising(SystemExit(143)),))
    with pytest.raises(SystemExit):
        run_trials(open_board(tmp_path), BudgetConfig(trials=3), stopped)
    handle = open_board(tmp_path)
    assert not unfinished(handle)
    assert summarize(handle).waiting == 1
    assert work_left(handle, BudgetConfig(trials=1))
    rest = run_board(handle, 3)
    assert [(start.number, start.retry_of) for start in rest.starts] == [(2, 1), (3, None)]
    assert rest.starts[0].values == stopped.starts[0].values
    assert [outcome.state for outcome in summarize(handle).outcomes] == [
        "complete",
        "interrupted",
        "complete",
        "complete",
    ]


def test_an_observer_that_fails_stops_the_worker_and_costs_no_trial(tmp_path: Path) -> None:
    class Away(Notes):
        @override
        def started(self, trial: TrialStart) -> Sequence[Logger]:
            raise ConnectionError("the tracking server is away")

    with pytest.raises(ConnectionError):
        run_trials(open_board(tmp_path), BudgetConfig(trials=2), Away())
    rest = run_board(open_board(tmp_path), 2)
    assert [outcome.state for outcome in rest.outcomes] == ["complete"] * 2
    assert rest.starts[0].retry_of == 0


def test_a_database_that_fails_stops_the_worker_and_the_next_start_goes_on(tmp_path: Path) -> None:
    class Breaks(Notes):
        @override
        def started(self, trial: TrialStart) -> Sequence[Logger]:
            super().started(trial)
            if trial.number == 1:
                (tmp_path / "studies.db").rename(tmp_path / "moved.db")
                handle.database.storage.engine.dispose()
            return ()

    handle = open_board(tmp_path)
    with pytest.raises(StudyError, match="can't be used"):
        run_trials(handle, BudgetConfig(trials=3), Breaks())
    (tmp_path / "studies.db").unlink(missing_ok=True)
    (tmp_path / "moved.db").rename(tmp_path / "studies.db")
    assert unfinished(open_board(tmp_path))
