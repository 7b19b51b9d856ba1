"""Night after night a log that grows is retrained on, with faults: what serves is fresh and right after each.

Every list that is served (the file of the retraining, a table of a database, HTTP, pyfunc) is compared with the newest
log: no item that a user has, no popular items for a user with a history, all the same lists. `make soak` has 30 nights.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient

from flows.registry.alias import CHAMPION
from flows.registry.newest_log import published_log
from tests.e2e.faults.cluster import Cluster
from tests.e2e.faults.test_soak import MACHINE, STAGES, Soak, running_soak
from tests.e2e.faults.tiny_retraining import tiny_settings
from tests.e2e.processes import free_port, options_of, python_module, running, wait_until
from tests.two_taste_log import two_taste_log

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200)]
DATASET, NAME = "nights", "ncf-nights"
USERS, ITEMS, ROWS, DAY, START = 60, 120, 14, 86_400, 1_700_000_000
TAKES = 0.5  # the chance that a user takes the first item of the list that was served
SEED, K = 3, 10
LISTS = ["user_id", "item_id", "rank", "source"]


class GrowingLog:
    """Users of two tastes who take some of what they are offered; one more user every night."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frame = two_taste_log(USERS, ITEMS, ROWS)
        self.chance = random.Random(SEED)

    def grow(self, night: int, lists: pd.DataFrame | None) -> None:
        """What happened since the last night."""
        time, rows = START + (night + 1) * DAY, [self.frame]
        if lists is not None:
            first = lists[lists["rank"] == 1]
            taken = first[[self.chance.random() < TAKES for _ in range(len(first))]]
            rows.append(taken[["user_id", "item_id"]].assign(timestamp=time))
            both = two_taste_log(2, ITEMS, 6, seed=night)
            user = 1000 + 2 * night + night % 2
            rows.append(both[both["user_id"] == night % 2].assign(user_id=user, timestamp=time + 1))
        self.frame = pd.concat(rows, ignore_index=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.frame.to_csv(self.path, index=False)


class Nights:
    """One retraining a night, and the lists that are served after it."""

    def __init__(self, cluster: Cluster, soak: Soak, url: str, service_log: Path) -> None:
        self.cluster, self.soak, self.url, self.service_log = cluster, soak, url, service_log
        self.log = GrowingLog(cluster.log_of(DATASET))
        self.chance = random.Random(SEED)
        self.lists: pd.DataFrame | None = None
        self.kept_back = 0
        self.pyfunc: Any = None

    def once(self, night: int) -> None:
        """Retrain, perhaps killed in a stage and started again, and check all that is served."""
        self.log.grow(night, self.lists)
        options = options_of(tiny_settings(DATASET, self.log.path))
        fault = self.chance.choice(STAGES) if self.chance.random() < 0.5 else ""
        self.soak.order("retrain", options, fault)
        code = self.soak.code()
        if code == -9:
            self.soak.order("retrain", options)
            code = self.soak.code()
        assert code == 0, (night, fault, self.soak.log.read_text()[-3000:])
        self.lists = self.from_file()
        self.assert_right(night, "file", self.lists)
        expected = self.lists.sort_values(LISTS[:3]).reset_index(drop=True)
        for way, lists in {"table": self.from_table(), "http": self.from_http(), "pyfunc": self.from_pyfunc()}.items():
            self.assert_right(night, way, lists)
            pd.testing.assert_frame_equal(lists.sort_values(LISTS[:3]).reset_index(drop=True), expected, obj=way)
        self.assert_fresh(night)

    def assert_right(self, night: int, way: str, lists: pd.DataFrame) -> None:
        """Everybody in the newest log has a list without what they have, made for them."""
        newest = self.log.frame
        seen = lists.merge(newest[["user_id", "item_id"]].drop_duplicates(), on=["user_id", "item_id"])
        assert seen.empty, (night, way, len(seen))
        assert set(lists["user_id"]) == set(newest["user_id"]), (night, way)
        assert "popularity" not in set(lists["source"]), (night, way)
        assert (lists.groupby("user_id").size() == K).all(), (night, way)

    def assert_fresh(self, night: int) -> None:
        """The champion is this night's, or its version says why it was kept back."""
        client = self.cluster.registry
        newest = max(client.search_model_versions(f"name = '{NAME}'"), key=lambda version: int(version.version))
        champion = client.get_model_version_by_alias(NAME, CHAMPION)
        if champion.version == newest.version:
            assert champion.tags["ncf.promoted"] == "true"
        else:
            self.kept_back += 1
            assert newest.tags["ncf.promoted"] == "false" and newest.tags["ncf.reason"], night

    def from_file(self) -> pd.DataFrame:
        return pd.read_csv(self.cluster.folder / MACHINE / "recommendations" / f"{DATASET}.csv")[LISTS]

    def from_table(self) -> pd.DataFrame:
        options = options_of({"dataset": DATASET, "output": {"table": "lists"}})
        self.soak.order("recommend", options)
        assert self.soak.code() == 0, self.soak.log.read_text()[-3000:]
        with sqlite3.connect(lists_database(self.cluster)) as database:
            return pd.read_sql(f"SELECT {', '.join(LISTS)} FROM lists", database)

    def from_http(self) -> pd.DataFrame:
        published = published_log(self.cluster.registry, NAME)
        champion = int(self.cluster.registry.get_model_version_by_alias(NAME, CHAMPION).version)
        assert published is not None
        expected = {"log": published.fingerprint, "version": champion}
        wait_until(lambda: expected.items() <= requests.get(f"{self.url}/version").json().items(), self.service_log, 60)
        rows = []
        for user in sorted(set(self.log.frame["user_id"])):
            answer = requests.get(f"{self.url}/recommendations", params={"user_id": user, "k": K}).json()
            for row in answer["recommendations"]:
                rows.append((user, row["item_id"], row["rank"], answer["source"]))
        return pd.DataFrame(rows, columns=LISTS)

    def from_pyfunc(self) -> pd.DataFrame:
        """A model that was loaded once, and again only for another champion; it takes a newer log by itself."""
        version = self.cluster.registry.get_model_version_by_alias(NAME, CHAMPION).version
        if self.pyfunc is None or self.pyfunc[0] != version:
            self.pyfunc = version, mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")
        model = self.pyfunc[1]
        model.unwrap_python_model().not_before = 0.0  # as if ten seconds had passed
        users = pd.DataFrame({"user_id": sorted(set(self.log.frame["user_id"]))})
        found: pd.DataFrame = model.predict(users, params={"k": K})
        return found[LISTS]


def lists_database(cluster: Cluster) -> Path:
    return cluster.folder / "lists.db"


@contextmanager
def running_nights(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    """The first night comes before the service: it needs a champion."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", cluster.tracking_uri)
    port, log = free_port(), cluster.folder / "service.log"
    with running_soak(cluster, NCF_OUTPUT_DATABASE_URL=f"sqlite:///{lists_database(cluster)}") as soak:
        nights = Nights(cluster, soak, f"http://127.0.0.1:{port}", log)
        nights.log.grow(0, None)
        soak.order("retrain", options_of(tiny_settings(DATASET, nights.log.path)))
        assert soak.code() == 0, soak.log.read_text()[-3000:]
        nights.lists = nights.from_file()
        serve = python_module("flows.serve", "--dataset", DATASET, "--port", str(port), "--refresh-seconds", "0.5")
        with running(serve, cluster.folder, cluster.environment_of("server"), log):
            wait_until(lambda: is_up(nights.url), log)
            yield nights


def is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def test_every_list_is_fresh_and_right_night_after_night(
    cluster: Cluster, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = int(request.config.getoption("--nights"))
    with running_nights(cluster, monkeypatch) as nights:
        for night in range(1, number + 1):
            nights.once(night)
        assert nights.kept_back < number, "no night brought a new champion"
        versions = MlflowClient(cluster.tracking_uri).search_model_versions(f"name = '{NAME}'")
        assert len(versions) == number + 1
