"""Real workers on one study: killed, interrupted, and side by side."""

import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.processes import REPOSITORY, environment, python_module, running, wait_until
from tests.postgres import Postgres
from tests.tuning.small_studies import QUICK, gmf_problem, sqlite
from tuning.study import open_study
from tuning.summary import StudySummary, summarize

pytestmark = pytest.mark.slow

Process = subprocess.Popen[bytes]
KILLED = "its process died 3 times"
FAST, SLOW = 0.0, 0.6  # seconds an epoch


class Workers:
    """Starts workers on the study "board", and reads what they wrote down."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self.folder = folder
        self.url = url
        self.stack = stack
        self.diary = folder / "diary.jsonl"
        self.log = folder / "log"

    def start(self, trials: int, pace: float) -> Process:
        command = python_module("tests.tuning.slow_worker", self.url, "board", str(trials), str(self.diary), str(pace))
        cache = {"NCF_CACHE_DIR": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        return self.stack.enter_context(running(command, REPOSITORY, environment(self.folder, **cache), self.log))

    def wait(self, process: Process) -> None:
        assert process.wait(timeout=240) == 0, self.log.read_text()[-3000:]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        text = self.diary.read_text(encoding="utf-8") if self.diary.exists() else ""
        return [line for line in map(json.loads, text.splitlines()) if kind in line]

    def until(self, true: Callable[[], bool]) -> None:
        wait_until(true, self.log)

    def summary(self) -> StudySummary:
        return summarize(open_study(self.url, "board", gmf_problem(), config=QUICK))


@pytest.fixture
def sqlite_workers(tmp_path: Path) -> Any:
    with ExitStack() as stack:
        yield Workers(tmp_path, sqlite(tmp_path), stack)


def numbers(lines: Sequence[dict[str, Any]], key: str) -> list[int]:
    return [line[key] for line in lines]


def check_nothing_is_lost_or_done_twice(found: StudySummary, budget: int) -> None:
    """So many trials were finished (or killed three times), none of them for what another one was finished for."""
    finished = [outcome for outcome in found.outcomes if outcome.state != "interrupted"]
    assert {(outcome.state, outcome.reason) for outcome in finished} <= {("complete", ""), ("failed", KILLED)}
    assert len(finished) == budget
    assert found.running == found.waiting == 0
    done = [tuple(outcome.values.items()) for outcome in finished]
    assert len(set(done)) == budget  # the draws are real numbers: equal ones would be the same trial twice
    originals = [outcome.retry_of for outcome in found.outcomes if outcome.retry_of is not None]
    interrupted = {outcome.number for outcome in found.outcomes if outcome.state == "interrupted"}
    assert set(originals) <= interrupted


def test_a_killed_worker_started_again_goes_on_with_the_same_trial(sqlite_workers: Workers) -> None:
    workers = sqlite_workers
    victim = workers.start(4, SLOW)
    workers.until(lambda: len(workers.lines("start")) == 2)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    killed = workers.lines("start")[1]
    workers.wait(workers.start(4, FAST))

    starts, ends = workers.lines("start"), workers.lines("end")
    again = [line for line in starts if line["retry_of"] == killed["start"]]
    assert len(again) == 1
    assert again[0]["values"] == killed["values"]
    assert {"end": killed["start"], "state": "interrupted", "reason": ""} in ends
    assert len(set(numbers(starts, "start"))) == len(starts)
    finished = [line["end"] for line in ends if line["state"] == "complete"]
    assert len(finished) == len(set(finished)) == 4
    check_nothing_is_lost_or_done_twice(workers.summary(), 4)


def test_ctrl_c_queues_the_running_trial_again_at_once(sqlite_workers: Workers) -> None:
    workers = sqlite_workers
    stopped = workers.start(3, SLOW)
    workers.until(lambda: len(workers.lines("start")) == 2)
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(timeout=60) != 0
    found = workers.summary()
    assert (found.running, found.waiting) == (0, 1)
    workers.wait(workers.start(3, FAST))
    assert workers.lines("start")[2]["values"] == workers.lines("start")[1]["values"]
    check_nothing_is_lost_or_done_twice(workers.summary(), 3)
    assert workers.summary().states == {"complete": 3, "interrupted": 1}


def test_two_workers_on_sqlite_make_one_study_and_never_exceed_the_budget(sqlite_workers: Workers) -> None:
    workers = sqlite_workers
    for process in [workers.start(9, FAST), workers.start(9, FAST)]:  # on a database that is not there yet
        workers.wait(process)
    assert sorted(numbers(workers.lines("start"), "start")) == list(range(9))
    check_nothing_is_lost_or_done_twice(workers.summary(), 9)


def test_workers_that_are_killed_again_and_again_lose_nothing(sqlite_workers: Workers) -> None:
    workers, budget = sqlite_workers, 12
    for round_ in range(4):
        pair = [workers.start(budget, 0.3), workers.start(budget, 0.3)]
        begun = len(workers.lines("start"))
        workers.until(lambda begun=begun: len(workers.lines("start")) >= begun + 2)  # type: ignore[misc]
        pair[round_ % 2].send_signal(signal.SIGKILL)
        pair[1 - round_ % 2].send_signal(signal.SIGKILL if round_ > 1 else signal.SIGINT)
        for process in pair:
            process.wait()
    for process in [workers.start(budget, FAST), workers.start(budget, FAST)]:
        workers.wait(process)
    check_nothing_is_lost_or_done_twice(workers.summary(), budget)


@pytest.fixture
def postgres_workers(postgres: Postgres, tmp_path: Path) -> Any:
    postgres.run("DROP DATABASE IF EXISTS studies WITH (FORCE)")
    postgres.run("CREATE DATABASE studies")
    url = postgres.url().removesuffix("/postgres") + "/studies"
    with ExitStack() as stack:
        yield Workers(tmp_path, url, stack)


def test_two_workers_on_a_server_lose_no_trial_and_run_none_twice(postgres_workers: Workers) -> None:
    """Each with a cache, and so a lock, of its own: to one another they are on two machines."""
    workers = postgres_workers
    other = Workers(workers.folder, workers.url, workers.stack)
    other.folder = workers.folder / "other"
    other.folder.mkdir()
    pair = [workers.start(10, FAST), other.start(10, FAST)]
    for process in pair:
        workers.wait(process)
    found = workers.summary()
    assert 10 <= len(found.outcomes) <= 11  # at most one more for the second machine
    check_nothing_is_lost_or_done_twice(found, len(found.outcomes))
    assert sorted(numbers(workers.lines("start"), "start")) == sorted(outcome.number for outcome in found.outcomes)
    assert found.default is not None
    assert found.default.number <= 1


def test_a_worker_on_a_server_takes_over_what_a_killed_one_left(postgres_workers: Workers) -> None:
    workers = postgres_workers
    victim = workers.start(4, SLOW)
    workers.until(lambda: len(workers.lines("start")) == 2)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    killed = workers.lines("start")[1]
    with psycopg.connect(workers.url) as connection:
        connection.execute(  # as if it had been on another machine: only its silence tells
            "UPDATE trial_user_attributes SET value_json = '\"elsewhere\"' WHERE key = 'machine'"
        )
    workers.until(lambda: _silent(workers.url) > QUICK.grace_seconds)
    workers.wait(workers.start(4, FAST))
    again = [line for line in workers.lines("start") if line["retry_of"] == killed["start"]]
    assert [line["values"] for line in again] == [killed["values"]]
    check_nothing_is_lost_or_done_twice(workers.summary(), 4)


def _silent(url: str) -> float:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT extract(epoch FROM now() - max(heartbeat)) FROM trial_heartbeats").fetchone()
    assert row is not None
    return float(row[0])
