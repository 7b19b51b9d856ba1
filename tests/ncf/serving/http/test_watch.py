import threading
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from ncf.config import ModelConfig
from ncf.errors import ModelError
from ncf.serving.http.live import Live, Served, State, Watcher, answer
from ncf.serving.log import ServingLog
from tests.ncf.serving.bundles import NUM_ITEMS, bundle_of, every_model, some_data

NAME = "ncf-some"


def served(version: int, log: ServingLog | None = None, *, refold: bool = False) -> Served:
    return Served.of(NAME, version, bundle_of(some_data(), seed=version), log, refold=refold)


class Registry:
    """Where the champion and the newest log are looked up and loaded; counts the loads."""

    def __init__(self) -> None:
        self.champion: int | None = 1
        self.log: ServingLog | None = None
        self.refold = False
        self.broken: set[object] = set()
        self.down = False
        self.loads: list[int] = []

    def find(self) -> State | None:
        if self.down:
            raise ConnectionError("no route")
        log = "" if self.log is None else self.log.fingerprint
        return None if self.champion is None else State(self.champion, log, self.refold)

    def load(self, state: State) -> Served:
        self.loads.append(state.version)
        for what in {state.version, state.log} & self.broken:
            raise ModelError("its files are gone", got=what)
        return served(state.version, self.log, refold=state.refold)


def log_of(title: str) -> ServingLog:
    return ServingLog.of(replace(some_data(), titles=np.full(NUM_ITEMS, title, dtype=object)))


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def live() -> Live:
    return Live(served(1))


def test_the_same_champion_is_not_loaded_again(live: Live, registry: Registry) -> None:
    before = live.current
    Watcher(live, registry.find, registry.load, 1).look()
    assert live.current is before
    assert registry.loads == []
    assert live.problem is None


def test_a_new_champion_replaces_the_old_one(live: Live, registry: Registry) -> None:
    registry.champion = 2
    Watcher(live, registry.find, registry.load, 1).look()
    assert (live.current.version, live.swaps, live.problem) == (2, 1, None)


def test_the_old_one_is_there_until_the_new_one_is_loaded(live: Live, registry: Registry) -> None:
    seen: list[int] = []

    def load(state: State) -> Served:
        seen.append(live.current.version)
        return served(state.version)

    registry.champion = 2
    Watcher(live, registry.find, load, 1).look()
    assert seen == [1]


def test_a_new_log_is_swapped_in_under_the_same_champion(live: Live, registry: Registry) -> None:
    watcher, titles = Watcher(live, registry.find, registry.load, 1), []
    for registry.log in (log_of("old"), log_of("new"), log_of("new"), log_of("old")):
        watcher.look()
        assert live.current.version == 1
        assert live.current.recommender.log.fingerprint == registry.log.fingerprint
        titles += answer(live.current, 3, [], 1).titles
    assert titles == ["old", "new", "new", "old"]
    assert registry.loads == [1, 1, 1], "not the equal one"
    registry.refold = True
    watcher.look()
    assert (live.swaps, live.current.state.refold) == (4, True)


def test_a_new_log_that_is_damaged_is_reported_and_the_old_one_goes_on(live: Live, registry: Registry) -> None:
    registry.log = log_of("new")
    registry.broken = {registry.log.fingerprint}
    watcher = Watcher(live, registry.find, registry.load, 1000)
    watcher.look()
    watcher.look()
    assert registry.loads == [1], "not tried again at once"
    assert (live.swaps, live.current.state) == (0, State(1, ""))
    assert live.problem is not None
    assert live.problem.reason == f"the newest log can't serve: its files are gone: '{registry.log.fingerprint}'"
    registry.log = log_of("newer still")
    watcher.look()
    assert (live.swaps, live.problem) == (1, None), "another log is tried at once"


def test_a_damaged_champion_is_reported_and_the_old_one_goes_on(live: Live, registry: Registry) -> None:
    registry.champion, registry.broken = 2, {2}
    watcher = Watcher(live, registry.find, registry.load, 1000)
    watcher.look()
    problem = live.problem
    assert live.current.version == 1
    assert problem is not None
    assert problem.version == 2
    assert problem.reason == "version 2, the new champion, can't serve: its files are gone: 2"
    watcher.look()
    assert registry.loads == [2], "not tried again at once"
    assert live.problem is not None
    registry.champion = 3
    watcher.look()
    assert (live.current.version, live.problem) == (3, None), "another version is tried at once"


def test_a_damaged_champion_that_was_mended_serves_after_a_while(live: Live, registry: Registry) -> None:
    registry.champion, registry.broken = 2, {2}
    watcher = Watcher(live, registry.find, registry.load, 0.0)
    watcher.look()
    registry.broken = set()
    watcher.look()
    assert registry.loads == [2, 2]
    assert (live.current.version, live.problem) == (2, None)


def test_going_back_to_what_serves_clears_the_report(live: Live, registry: Registry) -> None:
    registry.champion, registry.broken = 2, {2}
    watcher = Watcher(live, registry.find, registry.load, 1000)
    watcher.look()
    registry.champion = 1
    watcher.look()
    assert live.problem is None


def test_a_registry_that_does_not_answer_is_reported_and_so_is_a_champion_that_is_gone(
    live: Live, registry: Registry
) -> None:
    watcher = Watcher(live, registry.find, registry.load, 1)
    registry.down = True
    watcher.look()
    assert live.problem is not None
    assert live.problem.reason == "the champion can't be looked up: ConnectionError: no route"
    registry.down, registry.champion = False, None
    watcher.look()
    assert live.problem.reason == "no version of ncf-some is the champion any more"
    assert live.current.version == 1
    registry.champion = 1
    watcher.look()
    assert live.problem is None


def test_since_when_it_is_wrong_stays_while_it_is_wrong(live: Live) -> None:
    live.report("one", 2)
    assert live.problem is not None
    since = live.problem.since
    live.report("one, in other words", 2)
    assert live.problem.since == since <= datetime.now(UTC)


def test_the_thread_looks_by_itself_and_ends(live: Live, registry: Registry) -> None:
    swapped = threading.Event()

    def load(state: State) -> Served:
        swapped.set()
        return served(state.version)

    registry.champion = 2
    with Watcher(live, registry.find, load, 0.01) as watcher:
        assert swapped.wait(20)
    watcher._thread.join(20)
    assert not watcher._thread.is_alive()
    assert live.current.version == 2


@every_model
def test_weights_that_are_not_numbers_do_not_serve(config: ModelConfig) -> None:
    bundle = bundle_of(some_data(), config)
    with torch.no_grad():
        next(iter(bundle.model.parameters()))[-1] = float("inf")
    with pytest.raises(ModelError, match="weights of version 4 of ncf-some are not numbers"):
        Served.of(NAME, 4, bundle)
