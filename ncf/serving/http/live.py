"""The model that answers: loaded completely, swapped as a whole, and replaced by each new champion.

Where champions come from is passed in.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

import torch

from ncf.data.ids import IdKind, kind_of
from ncf.errors import ModelError, NCFError
from ncf.serving.bundle import Bundle
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Recommender

LOG = logging.getLogger("ncf.serving")
LONGEST_WAIT = 300.0  # seconds between two attempts to load a version that could not be loaded


class State(NamedTuple):
    """What should answer.

    Attributes:
        version: the champion's.
        log: fingerprint of the newest log; empty: that of the version's own data.
        refold: whether users whose history has grown since the version was trained are folded in again.
    """

    version: int
    log: str
    refold: bool = False


@dataclass(frozen=True)
class Served:
    """A registered version, ready to answer from a log.

    Attributes:
        name, version: of the registered model.
        state: version and log.
        recommender: answers with these.
        user_kind, item_kind: type of the ids.
        loaded: when it was loaded.
    """

    name: str
    state: State
    recommender: Recommender
    user_kind: IdKind
    item_kind: IdKind
    loaded: datetime

    @property
    def version(self) -> int:
        """Of the registered model."""
        return self.state.version

    @classmethod
    def of(
        cls, name: str, version: int, bundle: Bundle, log: ServingLog | None = None, *, refold: bool = False
    ) -> Self:
        """Make a bundle ready. It answers once, both ways, so that the first user does not wait.

        Args:
            name: of the registered model.
            version: of it.
            bundle: the version.
            log: the newest one; None: that of the bundle's own data.
            refold: as in `State`.

        Raises:
            ModelError: a weight or a score is not a number.
        """
        wrong = [key for key, value in bundle.model.state_dict().items() if not torch.isfinite(value).all()]
        if wrong:
            raise ModelError(f"weights of version {version} of {name} are not numbers", got=wrong, do="train again")
        recommender = Recommender(bundle, log, refold=refold)
        recommender.best((recommender.users.vectors >= 0).nonzero()[:1, 0], 1)
        recommender.best_of_user(-1, torch.zeros(1, dtype=torch.int64), 1)
        state = State(version, "" if log is None else log.fingerprint, refold)
        return cls(name, state, recommender, kind_of(bundle.user_ids), kind_of(bundle.item_ids), datetime.now(UTC))


@dataclass(frozen=True)
class Answer:
    """The best items for one user.

    Attributes:
        source: "model", "items" (folded in) or "popularity".
        item_ids: best first.
        titles: one per item, empty where unknown.
        scores: float32 values: logits, or numbers of interactions from popularity.
        unknown_user: whether the request names a user that the model does not know.
        unknown: ids of the request's items that the model does not know.
    """

    source: str
    item_ids: list[Any]
    titles: list[str]
    scores: list[float]
    unknown_user: bool
    unknown: list[Any]


def answer(served: Served, user_id: Any, item_ids: Sequence[Any], k: int) -> Answer:
    """Recommend to one user.

    Args:
        served: the model.
        user_id: id of the right type, or None. A user of whom the model has learned is answered with their own vector.
        item_ids: ids of the right type; any other user is folded in by these and those in the log. They are left out
            of every answer.
        k: items to recommend, from 1; fewer if fewer are left.

    Raises:
        ModelError: a score is NaN.
    """
    recommender = served.recommender
    user = -1 if user_id is None else recommender.user_of(user_id)
    found = recommender.items_of(item_ids) if item_ids else torch.empty(0, dtype=torch.int64)
    source, best, scores = recommender.best_of_user(user, found[found >= 0], k)
    unknown = [value for value, index in zip(item_ids, found.tolist(), strict=True) if index < 0]
    items, titles = recommender.bundle.item_ids[best].tolist(), recommender.titles[best].tolist()
    return Answer(source, items, titles, scores.tolist(), user_id is not None and user < 0, unknown)


@dataclass(frozen=True)
class Problem:
    """Why the newest champion does not serve, or is not known.

    Attributes:
        reason: for the reader.
        since: when it was first noticed.
        version: the version that can't serve; None if no version is known.
    """

    reason: str
    since: datetime
    version: int | None = None


class Live:
    """The model that answers now. A request reads `current` once; a swap is one assignment.

    Args:
        current: the first model.
    """

    def __init__(self, current: Served) -> None:
        self.current = current
        self.problem: Problem | None = None
        self.swaps = 0

    def swap(self, new: Served) -> None:
        """Answer the next request with another model."""
        self.current = new
        self.swaps += 1
        self.problem = None

    def report(self, reason: str, version: int | None = None) -> None:
        """Something is wrong with the champion; the present model keeps answering."""
        before = self.problem
        since = before.since if before is not None and before.version == version else datetime.now(UTC)
        self.problem = Problem(reason, since, version)


class Watcher:
    """Looks for a new champion and a new log at intervals, in a thread of its own, and swaps them in.

    They are loaded completely before they replace the present ones. What can't be loaded is reported, and tried again
    after pauses that double up to five minutes; the present model keeps answering.

    Args:
        live: the model that answers.
        find: returns the champion's version and the newest log, or None if there is no champion.
        load: loads them, ready to answer.
        seconds: between two looks.
    """

    def __init__(
        self, live: Live, find: Callable[[], State | None], load: Callable[[State], Served], seconds: float
    ) -> None:
        self.live = live
        self._find, self._load, self._seconds = find, load, seconds
        self._failed: State | None = None
        self._tries, self._not_before = 0, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="champion", daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def look(self) -> None:
        """Look once. Errors are reported and logged, never raised: the service keeps running."""
        try:
            state = self._find()
        except Exception as error:
            return self._report(f"the champion can't be looked up: {_message(error)}", None)
        if state is None:
            return self._report(f"no version of {self.live.current.name} is the champion any more", None)
        if state == self.live.current.state:
            self._failed = self.live.problem = None
        elif state != self._failed or time.monotonic() >= self._not_before:
            self._try(state)
        return None

    def _try(self, state: State) -> None:
        version, name = state.version, self.live.current.name
        what = f"version {version}, the new champion," if version != self.live.current.version else "the newest log"
        LOG.info("loading version %d of %s with the log %s", version, name, state.log[:12])
        try:
            new = self._load(state)
        except Exception as error:
            self._tries = self._tries + 1 if state == self._failed else 1
            self._failed = state
            self._not_before = time.monotonic() + min(self._seconds * 2**self._tries, LONGEST_WAIT)
            return self._report(f"{what} can't serve: {_message(error)}", version)
        self._failed = None
        self.live.swap(new)
        LOG.info("version %d of %s serves with the log %s", version, name, state.log[:12])
        return None

    def _report(self, reason: str, version: int | None) -> None:
        if self.live.problem is None or self.live.problem.reason != reason:
            LOG.warning("%s; version %d keeps serving", reason, self.live.current.version)
        self.live.report(reason, version)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.look()


def _message(error: Exception) -> str:
    if isinstance(error, NCFError):
        return str(error)
    message: Any = getattr(error, "message", None) or str(error)
    return f"{type(error).__name__}: {str(message)[:300]}"
