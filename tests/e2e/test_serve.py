"""`python -m flows.serve` and `mlflow models serve` as real processes on a real store, while the champion changes."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from flows.registry.newest_log import publish_log
from flows.serve.settings import TOKEN_VARIABLE
from flows.tracking.tracker import Tracker
from ncf.data.prepared import PreparedData
from ncf.data.split import Pairs
from ncf.serving.bundle import Bundle
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Recommender
from tests.e2e.processes import answers, environment, free_port, python_module, running, wait_until
from tests.flows.registry.registered_models import DATASET, NAME, artifact_folder, register_version, set_champion
from tests.ncf.serving.bundles import CONFIGS, NUM_ITEMS, NUM_USERS, some_data


@dataclass(frozen=True)
class Store:
    """Three versions: two that can serve, and a damaged one."""

    folder: Path
    env: dict[str, str]
    tracker: Tracker
    bundles: dict[int, Bundle]
    damaged: int


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        tracker = Tracker(DATASET)
        bundles = dict(register_version(tracker, some_data(), seed, CONFIGS[seed]) for seed in (0, 2))
        damaged, _ = register_version(tracker, some_data(), 1)
        weights = artifact_folder(tracker.client, damaged) / "artifacts" / "bundle" / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4])
        yield Store(folder, environment(folder, MLFLOW_TRACKING_URI=uri), tracker, bundles, damaged)


@dataclass
class Hammer:
    """What some clients saw who asked without a pause."""

    url: str
    versions: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with requests.Session() as session:
            user = 0
            while not self.stop.is_set():
                user += 1
                try:
                    answer = session.get(f"{self.url}/recommendations", params={"user_id": user % 300}, timeout=30)
                    found = answer.json()
                    if answer.status_code != 200 or not found["recommendations"]:
                        self.failures.append(answer.text)
                    self.versions[found["version"]] += 1
                except (requests.RequestException, ValueError, KeyError) as error:
                    self.failures.append(repr(error))


@contextmanager
def hammering(url: str, clients: int = 4) -> Iterator[Hammer]:
    hammer = Hammer(url)
    threads = [threading.Thread(target=hammer.run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield hammer
    finally:
        hammer.stop.set()
        for thread in threads:
            thread.join()


def health(url: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{url}/healthz", timeout=30).json()
    return found


def test_a_new_champion_takes_over_without_a_failed_request_and_a_damaged_one_does_not(store: Store) -> None:
    first, second = store.bundles
    set_champion(store.tracker, first)
    port, log = free_port(), store.folder / "serve.log"
    url = f"http://127.0.0.1:{port}"
    command = python_module("flows.serve", "--port", str(port), "--refresh-seconds", "0.5")
    with running(command, store.folder, store.env, log) as process:
        wait_until(lambda: answers(f"{url}/healthz"), log)
        with hammering(url) as hammer:
            wait_until(lambda: hammer.versions[first] > 100, log)
            set_champion(store.tracker, second)
            wait_until(lambda: hammer.versions[second] > 100, log, seconds=30)
            set_champion(store.tracker, store.damaged)
            wait_until(lambda: health(url)["status"] == "degraded", log, seconds=30)
            told = health(url)
            assert told["version"] == second
            assert f"version {store.damaged}, the new champion, can't serve" in told["problem"]
            assert "weights.safetensors" in told["problem"]
            before = hammer.versions[second]
            wait_until(lambda: hammer.versions[second] > before + 100, log)
            set_champion(store.tracker, first)
            wait_until(lambda: health(url)["version"] == first, log, seconds=30)
            assert health(url)["status"] == "ok"
            newest = publish_newer(store)
            wait_until(lambda: version(url)["log"] == newest.fingerprint, log, seconds=30)
        assert hammer.failures == []
        assert set(hammer.versions) == {first, second}
        check_bits(url, store.bundles[first], newest)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in log.read_text()
    assert f"version {second} of {NAME} serves" in log.read_text()


def version(url: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{url}/version", timeout=30).json()
    return found


def newer_data() -> PreparedData:
    """Every user has one item more: the first that they had not."""
    data = some_data()
    seen = set(zip(data.everything.users.tolist(), data.everything.items.tolist(), strict=True))
    more = [next(item for item in range(NUM_ITEMS) if (user, item) not in seen) for user in range(NUM_USERS)]
    return replace(data, other=Pairs(np.arange(NUM_USERS), np.array(more)))


def publish_newer(store: Store) -> ServingLog:
    """Let the registry name the log of the newer data."""
    log = ServingLog.of(newer_data())
    run_id = str(store.tracker.client.get_model_version(NAME, str(next(iter(store.bundles)))).run_id)
    publish_log(store.tracker, NAME, run_id, log, None, only_newer=False)
    return log


def check_bits(url: str, bundle: Bundle, log: ServingLog) -> None:
    """Every user is answered bit for bit what the batch has."""
    batch = Recommender(bundle, log).recommend(bundle.user_ids.tolist(), 7)
    for user, rows in batch.groupby("user_id"):
        found = requests.get(f"{url}/recommendations", params={"user_id": str(user), "k": "7"}, timeout=30).json()
        assert [row["item_id"] for row in found["recommendations"]] == rows["item_id"].tolist()
        scores = np.array([row["score"] for row in found["recommendations"]], dtype=np.float32)
        assert scores.tobytes() == rows["score"].to_numpy().tobytes()


@pytest.mark.slow
def test_bound_for_others_it_wants_a_token_and_requests_under_way_end_before_it_does(store: Store) -> None:
    set_champion(store.tracker, next(iter(store.bundles)))
    port, log = free_port(), store.folder / "open.log"
    command = python_module("flows.serve", "--host", "0.0.0.0", "--port", str(port))
    with running(command, store.folder, store.env, log) as process:
        assert process.wait(timeout=120) == 2
    assert TOKEN_VARIABLE in log.read_text()
    with running(command, store.folder, store.env | {TOKEN_VARIABLE: "a-long-random-text"}, log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/healthz"), log)
        with requests.Session() as session:
            assert session.get(f"{url}/version", timeout=30).status_code == 401
            session.headers["Authorization"] = "Bearer a-long-random-text"
            assert session.get(f"{url}/version", timeout=30).status_code == 200
            body = b'{"item_ids": [1, 8], "k": 3}'

            def slowly() -> Iterator[bytes]:
                yield body[:10]
                process.send_signal(signal.SIGTERM)
                time.sleep(1)
                yield body[10:]

            header = {"Content-Type": "application/json"}
            answer = session.post(f"{url}/recommendations", data=slowly(), headers=header, timeout=30)
            assert answer.status_code == 200
            assert answer.json()["source"] == "items"
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_mlflow_itself_serves_the_champion_from_the_newest_log(store: Store) -> None:
    version, bundle = next(iter(store.bundles.items()))
    set_champion(store.tracker, version)
    newest = publish_newer(store)
    port, log = free_port(), store.folder / "mlflow.log"
    url = f"http://127.0.0.1:{port}"
    serve = ["models", "serve", "-m", f"models:/{NAME}@champion", "--env-manager", "local", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it starts uvicorn by its name
    env = store.env | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PATH": path}
    with running(python_module("mlflow", *serve), store.folder, env, log):
        wait_until(lambda: answers(f"{url}/ping"), log)

        def ask(rows: list[dict[str, Any]], **params: Any) -> requests.Response:
            body = {"dataframe_records": rows, "params": params}
            return requests.post(f"{url}/invocations", json=body, timeout=60)

        users = bundle.user_ids.tolist()
        found = ask([{"user_id": user} for user in users], k=5).json()["predictions"]
        expected = Recommender(bundle, newest).recommend(users, 5)
        assert not expected.equals(Recommender(bundle).recommend(users, 5)), "the newest log would not be seen"
        assert [(row["user_id"], row["item_id"], row["rank"]) for row in found] == list(
            expected[["user_id", "item_id", "rank"]].itertuples(index=False, name=None)
        )
        scores = np.array([row["score"] for row in found], dtype=np.float32)
        assert scores.tobytes() == expected["score"].to_numpy().tobytes()
        for answer, words in (
            (ask([{"user": 3}]), "user_id"),
            (ask([{"user_id": "x"}]), "user_id"),
            (ask([{"user_id": 3}], k=0), "k is out of range: 0; allowed: 1 to 18"),
            (ask([{"user_id": 3}], k=19), "k is out of range: 19; allowed: 1 to 18"),
            (ask([{"user_id": 3}], k="many"), "k"),
        ):
            assert answer.status_code == 400
            assert words in answer.json()["message"]
