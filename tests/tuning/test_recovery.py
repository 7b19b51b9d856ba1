"""Which trials are queued again, and which are duplicates; then on real studies, with trials left behind."""

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna import create_trial
from optuna.trial import FrozenTrial, TrialState

from tests.tuning.small_studies import QUICK, RATE, Notes, gmf_problem, sqlite
from tuning.config import BudgetConfig
from tuning.records import Attr, duplicates, trial_states
from tuning.recovery import BORN, MACHINE, PID, deaths_of, has_ended, interrupted_trials, recover, this_process
from tuning.study import StudyHandle, open_study
from tuning.work import run_trials, unfinished, work_left

GONE = {MACHINE: this_process()[MACHINE], PID: 2**22 + 1, BORN: 0.0}  # above the largest number that Linux gives
ELSEWHERE = {MACHINE: "another machine", PID: os.getpid(), BORN: 0.0}


def trials(*rows: tuple[TrialState, dict[str, Any]]) -> list[FrozenTrial]:
    found = []
    for number, (state, attrs) in enumerate(rows):
        trial = create_trial(state=state, value=0.5 if state == TrialState.COMPLETE else None, user_attrs=attrs)
        trial.number = number
        found.append(trial)
    return found


FAIL, DONE, WAITING, RUNNING = TrialState.FAIL, TrialState.COMPLETE, TrialState.WAITING, TrialState.RUNNING


def test_lost_is_what_was_closed_without_a_reason_and_is_not_followed() -> None:
    row = trials(
        (FAIL, {}),
        (FAIL, {Attr.REASON: "out of memory"}),
        (DONE, {}),
        (FAIL, {Attr.INTERRUPTED: True}),
        (WAITING, {Attr.QUEUED: "again 0", Attr.FOLLOWS: 0}),
        (RUNNING, {}),
    )
    assert [trial.number for trial in interrupted_trials(row)] == [3]


def test_of_those_queued_for_the_same_the_later_ones_are_duplicates_and_never_lost() -> None:
    row = trials(
        (FAIL, {Attr.QUEUED: "base"}),
        (FAIL, {Attr.QUEUED: "base"}),
        (WAITING, {Attr.QUEUED: "again 0", Attr.FOLLOWS: 0}),
        (WAITING, {Attr.QUEUED: "again 0", Attr.FOLLOWS: 0}),
        (WAITING, {}),
        (WAITING, {}),
    )
    assert duplicates(row) == {1, 3}
    assert interrupted_trials(row) == []
    states = ["interrupted", "duplicate", "waiting", "duplicate", "waiting", "waiting"]
    assert list(trial_states(row).values()) == states


@pytest.mark.parametrize(
    ("attrs", "deaths"),
    [({}, 1), ({Attr.INTERRUPTED: True}, 0), ({Attr.DEATHS: 2}, 3), ({Attr.DEATHS: 2, Attr.INTERRUPTED: True}, 2)],
)
def test_being_stopped_on_purpose_is_no_death(attrs: dict[str, Any], deaths: int) -> None:
    assert deaths_of(trials((FAIL, attrs))[0]) == deaths


def test_this_process_is_not_gone() -> None:
    assert not has_ended(this_process())


def test_a_process_is_gone_if_its_number_is_free_or_given_again() -> None:
    assert has_ended(GONE)
    assert has_ended({**this_process(), BORN: psutil.Process().create_time() - 1000})


@pytest.mark.parametrize("facts", [ELSEWHERE, {}, {MACHINE: this_process()[MACHINE]}])
def test_of_other_machines_nothing_is_known(facts: dict[str, Any]) -> None:
    assert not has_ended(facts)


def handle_of(folder: Path) -> StudyHandle:
    return open_study(sqlite(folder), "board", gmf_problem(), config=QUICK)


def left_running(handle: StudyHandle, rate: float, facts: dict[str, Any], *, beat: bool = True) -> FrozenTrial:
    """A trial that some process has begun and does not go on with."""
    handle.study.enqueue_trial({RATE: rate, "training.schedule": "linear"}, user_attrs=facts)
    trial = handle.study.ask()
    trial.suggest_float(RATE, 0.001, 0.05, log=True)
    trial.suggest_categorical("training.schedule", ["constant", "linear"])
    if beat:
        handle.database.storage.record_heartbeat(trial._trial_id)
    return handle.study.trials[trial.number]


def test_a_trial_of_a_dead_process_is_found_at_once_and_its_values_wait_in_the_queue(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    left_running(handle, 0.003, GONE)
    assert work_left(handle, BudgetConfig(trials=1))
    [outcome] = recover(handle)
    assert (outcome.number, outcome.state, outcome.values[RATE]) == (0, "interrupted", 0.003)
    assert [trial.state for trial in handle.study.trials] == [FAIL, WAITING]
    waiting = handle.study.trials[1]
    assert waiting.system_attrs["fixed_params"] == {RATE: 0.003, "training.schedule": "linear"}
    assert (waiting.user_attrs[Attr.RETRY_OF], waiting.user_attrs[Attr.DEATHS]) == (0, 1)


def test_looking_again_changes_nothing(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    left_running(handle, 0.003, GONE)
    recover(handle)
    assert recover(handle) == []
    assert len(handle.study.trials) == 2


def test_trials_that_nothing_is_known_of_are_dead_after_the_grace(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    left_running(handle, 0.003, ELSEWHERE)
    left_running(handle, 0.004, {}, beat=False)  # killed before its first sign of life
    assert recover(handle) == []
    assert unfinished(handle)
    time.sleep(QUICK.grace_seconds + 2)  # the database counts whole seconds
    assert [outcome.state for outcome in recover(handle)] == ["interrupted"] * 2
    assert not unfinished(handle)
    queue = [t.system_attrs["fixed_params"][RATE] for t in handle.study.trials if t.state == WAITING]
    assert queue == [0.003, 0.004]


def test_a_kill_between_closing_a_trial_and_queueing_it_again_is_healed(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    trial = left_running(handle, 0.003, GONE)
    handle.database.storage.set_trial_state_values(trial._trial_id, FAIL)
    recover(handle)
    assert [trial.state for trial in handle.study.trials] == [FAIL, WAITING]
    assert handle.study.trials[1].system_attrs["fixed_params"][RATE] == 0.003


def test_a_trial_whose_process_died_three_times_is_failed_with_that_reason(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)
    left_running(handle, 0.003, {**GONE, Attr.DEATHS: 2, Attr.RETRY_OF: 7})
    [outcome] = recover(handle)
    assert (outcome.state, outcome.reason, outcome.retry_of) == ("failed", "its process died 3 times", 7)
    assert len(handle.study.trials) == 1


def test_two_machines_that_queue_the_same_run_it_once(tmp_path: Path) -> None:
    handle, notes = handle_of(tmp_path), Notes()
    left_running(handle, 0.003, GONE)
    recover(handle)
    again = handle.study.trials[1]
    handle.study.enqueue_trial(again.system_attrs["fixed_params"], user_attrs=again.user_attrs)  # the other machine
    run_trials(handle, BudgetConfig(trials=2), notes)
    assert [(start.number, start.retry_of) for start in notes.starts] == [(1, 0), (3, None)]
    assert notes.starts[0].values[RATE] == 0.003


def test_a_trial_that_was_given_up_for_dead_meanwhile_stays_so(tmp_path: Path) -> None:
    handle = handle_of(tmp_path)

    class TakenOver(Notes):
        def started(self, trial: Any) -> Any:
            super().started(trial)
            if trial.number == 0:
                trial_id = handle.study.trials[0]._trial_id
                handle.database.storage.set_trial_state_values(trial_id, FAIL)  # as another machine does
            return ()

    notes = TakenOver()
    run_trials(handle, BudgetConfig(trials=1), notes)
    assert [(outcome.number, outcome.state) for outcome in notes.outcomes] == [(0, "interrupted"), (1, "complete")]
    assert notes.starts[1].values == notes.starts[0].values
