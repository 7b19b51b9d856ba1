"""One holder at a time: with a Prefect server, and with the embedded one, where a lock is a file."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, get_current_settings, temporary_settings

from flows.orchestration import locks
from flows.orchestration.locks import AlreadyRunningError, HeldError, LockError, global_lock, one_at_a_time
from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import environment

HOLD = """
from flows.orchestration.locks import global_lock
with global_lock("ncf-test", 60):
    print("held", flush=True)
    input()
"""


@contextmanager
def embedded(home: Path) -> Iterator[None]:
    with temporary_settings(updates={PREFECT_HOME: home}, restore_defaults={PREFECT_API_URL}):
        yield


def holds_alone(name: str) -> bool:
    """Whether a second thread is kept out while a first is in, and gets in afterwards."""
    entered, refused = threading.Event(), []

    def second() -> None:
        try:
            with global_lock(name, 0.5):
                entered.set()
        except HeldError as error:
            refused.append(str(error))

    with global_lock(name, 5):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    kept_out = not entered.is_set() and name in refused[0]
    second()
    return kept_out and entered.is_set()


def test_a_server_lets_one_in_at_a_time_and_makes_the_limit_itself(prefect_server: None) -> None:
    @flow
    def inside() -> bool:
        return holds_alone("ncf-test-inside")

    assert holds_alone("ncf-test")
    assert inside()
    with get_client(sync_client=True) as client:
        assert client.read_global_concurrency_limit_by_name("ncf-test").limit == 1


def test_another_lock_and_an_error_inside_are_no_hindrance(prefect_server: None) -> None:
    with (
        pytest.raises(TimeoutError, match="of the block's own"),
        global_lock("ncf-test", 5),
        global_lock("ncf-other", 5),
    ):
        raise TimeoutError("of the block's own")
    with global_lock("ncf-test", 5):
        pass


def test_a_server_that_does_not_hand_out_what_nobody_holds_is_not_taken_for_another_run(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: Any, **__: Any) -> NoReturn:
        raise TimeoutError("Scope timed out after 0.5 second(s).")

    monkeypatch.setattr(locks, "concurrency", too_slow)
    with pytest.raises(LockError, match="did not hand out the lock ncf-test-slow in 0 seconds.*nobody holds") as caught:
        global_lock("ncf-test-slow", 0.4).__enter__()
    assert not isinstance(caught.value, HeldError), "it would be told as another retraining"


def test_with_the_embedded_server_a_killed_process_leaves_the_lock_free(tmp_path: Path) -> None:
    command, env = [sys.executable, "-c", HOLD], environment(tmp_path)
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None
    with process, embedded(Path(env["PREFECT_HOME"])):
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(LockError, match="ncf-test"), global_lock("ncf-test", 0.5):
            pass
        process.kill()
        process.wait()
        with global_lock("ncf-test", 5):
            pass


def test_a_limit_that_somebody_changed_is_1_again(prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("ncf-changed", 5)
    assert holds_alone("ncf-changed")


HOLD_ON_SERVER = """
from pathlib import Path
from flows.orchestration.locks import global_lock
with global_lock("ncf-test-killed", 60, lease_file=Path("held.lease")):
    print("held", flush=True)
    input()
"""


def test_a_server_need_not_be_waited_for_after_a_kill_on_the_same_machine(prefect_server: None, tmp_path: Path) -> None:
    env = environment(tmp_path, PREFECT_API_URL=str(get_current_settings().api.url))
    command, pipe, lease_file = [sys.executable, "-c", HOLD_ON_SERVER], subprocess.PIPE, tmp_path / "held.lease"
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        process.kill()
    with pytest.raises(LockError), global_lock("ncf-test-killed", 2):  # as another machine would find it
        pass
    with global_lock("ncf-test-killed", 10, lease_file=lease_file):
        assert lease_file.exists()
    assert not lease_file.exists()
    with global_lock("ncf-test-killed", 10):
        pass


def test_one_of_a_kind_runs_on_this_machine_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    for _ in range(2):
        with one_at_a_time("shop", "another run for shop"):
            refused = pytest.raises(
                AlreadyRunningError, match="another run for shop is running already on this machine"
            )
            with refused, one_at_a_time("shop", "another run for shop"):
                pass
            with one_at_a_time("another", "another run for another"):
                pass
