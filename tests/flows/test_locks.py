"""The lock of Prefect's concurrency limits, against a real server."""

import threading

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from flows.locks import LockError, global_lock


def held(name: str) -> tuple[threading.Event, threading.Thread]:
    """Somebody who holds the lock until the event."""
    free, has = threading.Event(), threading.Event()

    def hold() -> None:
        with global_lock(name, wait_seconds=30):
            has.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has.wait(60)
    return free, thread


def test_only_one_holds_it_and_who_waits_too_long_is_told(prefect_server: None) -> None:
    free, thread = held("lock-a")
    told = "holds the lock lock-a; seconds waited: 0.5.*gcl update lock-a"
    with pytest.raises(LockError, match=told), global_lock("lock-a", wait_seconds=0.5):
        pass
    with global_lock("lock-b", wait_seconds=30):
        pass  # another name is another lock
    free.set()
    thread.join()
    with global_lock("lock-a", wait_seconds=60):
        pass


def test_it_is_free_again_after_an_error(prefect_server: None) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), global_lock("lock-c", wait_seconds=30):
            raise ValueError("inside")
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name("lock-c")
    assert (limit.limit, limit.active_slots) == (1, 0)


def test_it_holds_inside_of_a_flow(prefect_server: None) -> None:
    @flow
    def locking() -> str:
        with global_lock("lock-d", wait_seconds=0.5):
            return "had it"

    assert locking() == "had it"
    free, thread = held("lock-d")
    with pytest.raises(LockError):
        locking()
    free.set()
    thread.join()


def test_a_limit_that_somebody_changed_is_1_again(prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("lock-e", 5)
    free, thread = held("lock-e")
    with pytest.raises(LockError), global_lock("lock-e", wait_seconds=0.5):
        pass
    free.set()
    thread.join()
