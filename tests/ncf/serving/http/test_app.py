"""The recommendations of the service, asked for as a client does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from starlette.testclient import TestClient

from ncf.config import ModelConfig
from ncf.data.ids import to_json
from ncf.data.prepared import PreparedData
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender
from tests.ncf.serving.bundles import bundle_of, every_kind_of_ids, every_model, seen_pairs, some_data
from tests.ncf.serving.http.clients import NAME, client_of, live_of
from tests.ncf.toy_data import random_data


@pytest.fixture
def bundle() -> Bundle:
    return bundle_of(some_data())


@pytest.fixture
def client(bundle: Bundle) -> TestClient:
    return client_of(bundle)


@every_kind_of_ids
@every_model
def test_every_user_is_served_bit_for_bit_what_the_batch_has(config: ModelConfig, data: PreparedData) -> None:
    bundle = bundle_of(data, config)
    client = client_of(bundle)
    batch = Recommender(bundle).recommend_json(to_json(pd.Series(data.user_ids)).to_list(), 7)
    for user, rows in batch.groupby("user_id", sort=False):
        shown = int(user) if isinstance(user, np.integer) else user
        for answer in (
            client.get("/recommendations", params={"user_id": shown, "k": 7}),
            client.post("/recommendations", json={"user_id": shown, "k": 7}),
        ):
            assert answer.status_code == 200
            found = answer.json()
            assert (found["model"], found["version"], found["source"]) == (NAME, 3, "model")
            assert (found["user_id"], found["unknown_user"]) == (shown, False)
            assert [row["item_id"] for row in found["recommendations"]] == rows["item_id"].tolist()
            assert [row["rank"] for row in found["recommendations"]] == rows["rank"].tolist()
            scores = np.array([row["score"] for row in found["recommendations"]])
            assert scores.astype(np.float32).tobytes() == rows["score"].to_numpy().tobytes()
            assert np.array_equal(scores, scores.astype(np.float32)), "nothing but a float32 was written"


@every_model
def test_bit_for_bit_also_of_a_catalogue_of_several_tiles(config: ModelConfig, rng: np.random.Generator) -> None:
    wide: dict[str, dict[str, Any]] = {
        "gmf": {"embedding_dim": 37},
        "mlp": {"layers": (66, 40, 9)},
        "neumf": {"layers": (66, 40, 9)},
    }
    config = config.model_copy(update=wide[config.kind])
    bundle = bundle_of(random_data(rng, 30, 15_000), config)
    batch = Recommender(bundle).recommend(bundle.user_ids.tolist(), 100)
    client = client_of(bundle)
    for user, rows in batch.groupby("user_id"):
        found = client.get("/recommendations", params={"user_id": user, "k": 100}).json()["recommendations"]
        assert [row["item_id"] for row in found] == rows["item_id"].tolist()
        assert (
            np.array([row["score"] for row in found], dtype=np.float32).tobytes() == rows["score"].to_numpy().tobytes()
        )


@every_kind_of_ids
def test_an_unknown_user_gets_the_popular_items_marked_as_such(data: PreparedData) -> None:
    bundle = bundle_of(data)
    stranger: Any = {"int": -4, "str": "nobody", "uuid": "00000000-0000-0000-ffff-000000000000"}[
        live_of(bundle).current.user_kind
    ]
    found = client_of(bundle).get("/recommendations", params={"user_id": stranger, "k": 4}).json()
    batch = Recommender(bundle).recommend_json([stranger], 4)
    assert found["source"] == "popularity"
    assert (found["user_id"], found["unknown_user"]) == (stranger, True)
    assert [row["item_id"] for row in found["recommendations"]] == batch["item_id"].tolist()
    assert [row["score"] for row in found["recommendations"]] == batch["score"].tolist()


def test_titles_come_along(client: TestClient, bundle: Bundle) -> None:
    titles = dict(zip(bundle.item_ids.tolist(), bundle.titles.tolist(), strict=True))
    rows = client.get("/recommendations", params={"user_id": 3}).json()["recommendations"]
    assert len(rows) == 9, "all that the user has not seen"
    assert {row["title"] for row in rows} > {""}
    assert all(row["title"] == titles[row["item_id"]] for row in rows)


@every_kind_of_ids
def test_items_sent_along_make_a_user_known_and_are_left_out(data: PreparedData) -> None:
    bundle = bundle_of(data)
    client = client_of(bundle)
    said = [item if isinstance(item, int) else str(item) for item in bundle.item_ids.tolist()]
    unknown: Any = {"int": 10**9, "str": "?", "uuid": "00000000-0000-0000-ffff-000000000000"}[
        live_of(bundle).current.item_kind
    ]
    sent = [said[4], unknown, said[1], said[4]]
    found = client.post("/recommendations", json={"item_ids": sent, "k": 100}).json()
    assert found["source"] == "items"
    assert (found["user_id"], found["unknown_user"]) == (None, False)
    assert found["unknown_items"] == [unknown]
    listed = [row["item_id"] for row in found["recommendations"]]
    assert sorted(map(str, listed)) == sorted(map(str, set(said) - {said[4], said[1]}))
    scores = live_of(bundle).current.recommender.fold_in.scores(torch.tensor([1, 4]))
    assert [row["score"] for row in found["recommendations"]] == [scores[said.index(item)].item() for item in listed]
    again = client.post("/recommendations", json={"item_ids": [said[1], said[4]], "k": 100}).json()
    assert again["recommendations"] == found["recommendations"]


def test_unknown_items_alone_are_answered_with_popular_ones(client: TestClient) -> None:
    found = client.post("/recommendations", json={"item_ids": [2, 3], "k": 3}).json()
    popular = client.get("/recommendations", params={"user_id": -1, "k": 3}).json()
    assert found["source"] == "popularity"
    assert found["unknown_items"] == [2, 3]
    assert found["recommendations"] == popular["recommendations"]


def test_a_known_user_keeps_the_own_vector_and_the_items_sent_along_are_left_out(client: TestClient) -> None:
    alone = client.get("/recommendations", params={"user_id": 13, "k": 5}).json()["recommendations"]
    gone = [alone[0]["item_id"], alone[2]["item_id"]]
    found = client.post("/recommendations", json={"user_id": 13, "item_ids": gone, "k": 3}).json()
    assert found["source"] == "model"
    kept = [(row["item_id"], row["score"]) for row in alone if row["item_id"] not in gone]
    assert [(row["item_id"], row["score"]) for row in found["recommendations"]] == kept
    assert [row["rank"] for row in found["recommendations"]] == [1, 2, 3]


def test_a_user_whom_the_model_has_not_learned_is_folded_in_and_sees_nothing_again(bundle: Bundle) -> None:
    learned = bundle.learned.copy()
    learned[0] = False
    client = client_of(replace(bundle, learned=learned))
    seen = {int(bundle.item_ids[item]) for user, item in seen_pairs(bundle) if user == 0}
    new = set(bundle.item_ids.tolist()) - seen
    asked = client.get("/recommendations", params={"user_id": 3, "k": 100}).json()
    sent = client.post("/recommendations", json={"user_id": 3, "item_ids": [min(new)], "k": 100}).json()
    for found, expected in ((asked, new), (sent, new - {min(new)})):
        assert found["source"] == "items"
        assert {row["item_id"] for row in found["recommendations"]} == expected
    scores = [{row["item_id"]: row["score"] for row in found["recommendations"]} for found in (asked, sent)]
    assert all(scores[0][item] != score for item, score in scores[1].items()), "one item more says more"


def test_all_items_sent_along_leave_nothing(client: TestClient, bundle: Bundle) -> None:
    found = client.post("/recommendations", json={"item_ids": bundle.item_ids.tolist()}).json()
    assert found["recommendations"] == []
