"""The service as an ASGI application, spoken to as a client does."""

import json
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
from ncf.serving import http
from ncf.serving.bundle import Bundle
from ncf.serving.http import create_app
from ncf.serving.limits import Limits
from ncf.serving.live import Live, Served
from ncf.serving.recommender import Recommender
from tests.ncf.known import random_data
from tests.ncf.serving.bundles import CONFIGS, bundle_of, seen_pairs, some_data, with_text_ids, with_uuids

NAME = "ncf-some"
KINDS = {"integer": some_data(), "text": with_text_ids(some_data()), "uuid": with_uuids(some_data())}
every_kind = pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)


def live_of(bundle: Bundle, version: int = 3) -> Live:
    return Live(Served.of(NAME, version, bundle))


def client_of(bundle: Bundle, limits: Limits | None = None, token: str | None = None) -> TestClient:
    return TestClient(create_app(live_of(bundle), limits, token), raise_server_exceptions=False)


@pytest.fixture
def bundle() -> Bundle:
    return bundle_of(some_data())


@pytest.fixture
def client(bundle: Bundle) -> TestClient:
    return client_of(bundle)


def error_of(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    [(name, facts)] = answer.json().items()
    assert name == "error"
    assert set(facts) == {"what", "got", "allowed", "do"}
    return dict(facts)


@every_kind
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_every_user_is_served_bit_for_bit_what_the_batch_has(config: ModelConfig, data: PreparedData) -> None:
    bundle = bundle_of(data, config)
    client = client_of(bundle)
    batch = Recommender(bundle).answer(to_json(pd.Series(data.user_ids)).to_list(), 7)
    for user, rows in batch.groupby("user_id", sort=False):
        shown = int(user) if isinstance(user, np.integer) else user  # type: ignore[call-overload]
        for answer in (
            client.get("/recommendations", params={"user_id": shown, "k": 7}),
            client.post("/recommendations", json={"user_id": shown, "k": 7}),
        ):
            assert answer.status_code == 200
            found = answer.json()
            assert (found["model"], found["version"], found["source"]) == (NAME, 3, "model")
            assert found["user_id"] == shown
            assert [row["item_id"] for row in found["recommendations"]] == rows["item_id"].tolist()
            assert [row["rank"] for row in found["recommendations"]] == rows["rank"].tolist()
            scores = np.array([row["score"] for row in found["recommendations"]])
            assert scores.astype(np.float32).tobytes() == rows["score"].to_numpy().tobytes()
            assert np.array_equal(scores, scores.astype(np.float32)), "nothing but a float32 was written"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_bit_for_bit_also_of_a_catalogue_of_several_tiles(config: ModelConfig, rng: np.random.Generator) -> None:
    wide = {"gmf": {"embedding_dim": 37}, "mlp": {"layers": (66, 40, 9)}, "neumf": {"layers": (66, 40, 9)}}
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


@every_kind
def test_an_unknown_user_gets_the_popular_items_marked_as_such(data: PreparedData) -> None:
    bundle = bundle_of(data)
    stranger: Any = {"int": -4, "str": "nobody", "uuid": "00000000-0000-0000-ffff-000000000000"}[
        live_of(bundle).current.user_kind
    ]
    found = client_of(bundle).get("/recommendations", params={"user_id": stranger, "k": 4}).json()
    batch = Recommender(bundle).answer([stranger], 4)
    assert found["source"] == "popularity"
    assert found["user_id"] == stranger
    assert [row["item_id"] for row in found["recommendations"]] == batch["item_id"].tolist()
    assert [row["score"] for row in found["recommendations"]] == batch["score"].tolist()


def test_titles_come_along(client: TestClient, bundle: Bundle) -> None:
    titles = dict(zip(bundle.item_ids.tolist(), bundle.titles.tolist(), strict=True))
    rows = client.get("/recommendations", params={"user_id": 3}).json()["recommendations"]
    assert len(rows) == 9, "all that the user has not seen"
    assert {row["title"] for row in rows} > {""}
    assert all(row["title"] == titles[row["item_id"]] for row in rows)


@every_kind
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
    assert found["user_id"] is None
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
    assert client.get("/recommendations", params={"user_id": 3}).json()["source"] == "popularity"
    found = client.post("/recommendations", json={"user_id": 3, "item_ids": [1], "k": 100}).json()
    assert found["source"] == "items"
    seen = {bundle.item_ids[item] for user, item in seen_pairs(bundle) if user == 0} | {1}
    assert {row["item_id"] for row in found["recommendations"]} == set(bundle.item_ids.tolist()) - seen


def test_all_items_sent_along_leave_nothing(client: TestClient, bundle: Bundle) -> None:
    found = client.post("/recommendations", json={"item_ids": bundle.item_ids.tolist()}).json()
    assert found["recommendations"] == []


@pytest.mark.parametrize(
    ("query", "what", "got", "allowed"),
    [
        ("user_id=abc", "user_id is of the wrong type", "abc", "a whole number of 64 bits"),
        ("user_id=3&k=0", "query.k is not allowed", "0", "Input should be greater than or equal to 1"),
        ("user_id=3&k=101", "query.k is not allowed", "101", "Input should be less than or equal to 100"),
        ("user_id=3&k=x", "query.k is not allowed", "x", "Input should be a valid integer"),
        ("user=3", "query.user_id is missing", None, ""),
        ("user_id=3&limit=4", "query.limit is not known", "4", ""),
    ],
)
def test_a_wrong_query_is_told_what_is_allowed(
    client: TestClient, query: str, what: str, got: str | None, allowed: str
) -> None:
    facts = error_of(client.get(f"/recommendations?{query}"), 422)
    assert (facts["what"], facts["got"]) == (what, got)
    assert facts["allowed"].startswith(allowed)


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        ({}, 422, "nothing is said of the user"),
        ({"item_ids": []}, 422, "nothing is said of the user"),
        ({"user_id": "3"}, 422, "user_id is of the wrong type"),
        ({"user_id": 3.5}, 422, "body.user_id"),
        ({"user_id": True}, 422, "body.user_id"),
        ({"user_id": 2**64}, 422, "user_id is of the wrong type"),
        ({"item_ids": [1, "8"]}, 422, "item_ids[1] is of the wrong type"),
        ({"item_ids": 1}, 422, "body.item_ids"),
        ({"item_ids": [1] * 1001}, 422, "body.item_ids"),
        ({"item_ids": [1], "k": "3"}, 422, "body.k"),
        ({"item_ids": [1], "more": 1}, 422, "body.more"),
        ([], 422, "the body is no JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_body_is_told_what_is_wrong(client: TestClient, body: Any, status: int, what: str) -> None:
    facts = error_of(client.post("/recommendations", json=body), status)
    assert facts["what"].startswith(what)
    assert facts["allowed"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\xff", b"null", b'{"user_id": NaN}', b'{"user_id": ' + b"9" * 5000 + b"}", b"[" * 50_000],
    ids=lambda content: str(content[:12]),
)
def test_a_body_that_is_no_json_object_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/recommendations", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    error_of(answer, answer.status_code)


def test_a_body_that_can_not_be_read_is_told_what_would_be(client: TestClient) -> None:
    header = {"content-type": "application/json"}
    broken = error_of(client.post("/recommendations", content=b'{"item_ids": [1', headers=header), 422)
    assert broken["what"] == "the body is no JSON; it goes wrong at character 15"
    form = error_of(client.post("/recommendations", data={"user_id": "1"}), 422)
    assert form["what"] == "the body is no JSON object" and "Content-Type: application/json" in form["do"]
    nothing = error_of(client.post("/recommendations"), 422)
    assert nothing["what"] == "the body is missing" and '"item_ids": [1, 2]' in nothing["allowed"]


def test_half_a_surrogate_pair_is_no_text() -> None:
    client = client_of(bundle_of(with_text_ids(some_data())))
    for body in (b'{"user_id": "\\ud800"}', b'{"user_id": "a", "item_ids": ["\\udfff"]}'):
        answer = client.post("/recommendations", content=body, headers={"content-type": "application/json"})
        assert "wrong type" in error_of(answer, 422)["what"]


def test_wrong_paths_and_methods_are_json_too(client: TestClient) -> None:
    assert error_of(client.get("/nothing"), 404)["got"] == "/nothing"
    answer = client.delete("/recommendations")
    assert error_of(answer, 405)["allowed"] == answer.headers["allow"] == "GET, POST"


def test_a_fault_shows_nothing_of_the_inside(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(http, "answer", broken)
    answer = client.get("/recommendations", params={"user_id": 3})
    assert error_of(answer, 500)["what"] == "a fault of the service"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_new_model_answers_the_next_request(bundle: Bundle) -> None:
    live = live_of(bundle)
    client = TestClient(create_app(live))
    assert client.get("/version").json()["version"] == 3
    other = bundle_of(with_text_ids(some_data()), CONFIGS[2], seed=5)
    live.swap(Served.of(NAME, 4, other))
    found = client.get("/recommendations", params={"user_id": "user-003", "k": 2}).json()
    assert found["version"] == 4
    expected = Recommender(other).recommend(["user-003"], 2)
    assert [row["item_id"] for row in found["recommendations"]] == expected["item_id"].tolist()
    version = client.get("/version").json()
    assert (version["version"], version["kind"], version["user_id"]) == (4, "neumf", "str")


def test_version_says_what_answers(client: TestClient, bundle: Bundle) -> None:
    found = client.get("/version").json()
    assert found.pop("loaded").startswith("20")
    assert found.pop("ncf")
    assert found == {
        "model": NAME,
        "version": 3,
        "kind": "gmf",
        "dataset": "random",
        "fingerprint": some_data().fingerprint,
        "num_users": 25,
        "num_items": 18,
        "user_id": "int",
        "item_id": "int",
    }


def test_health_says_why_the_newest_champion_does_not_serve(bundle: Bundle) -> None:
    live = live_of(bundle)
    client = TestClient(create_app(live))
    assert client.get("/healthz").json() == {"status": "ok", "version": 3, "problem": None, "since": None}
    live.report("version 4 is damaged", 4)
    found = client.get("/healthz")
    assert found.status_code == 200, "it still answers: nobody should restart it"
    assert found.json()["status"] == "degraded"
    assert found.json()["problem"] == "version 4 is damaged"
    assert client.get("/recommendations", params={"user_id": 3}).status_code == 200


def test_metrics_count_requests_and_say_what_serves(client: TestClient) -> None:
    for user in (3, 3, -1):
        client.get("/recommendations", params={"user_id": user})
    client.get("/recommendations")
    for path in ("/a", "/b"):
        client.get(path)
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'ncf_requests_total{method="GET",path="/recommendations",status="200"} 3.0',
        'ncf_requests_total{method="GET",path="/recommendations",status="422"} 1.0',
        'ncf_requests_total{method="GET",path="other",status="404"} 2.0',
        'ncf_request_seconds_count{path="/recommendations"} 4.0',
        'ncf_answers_total{source="model"} 2.0',
        'ncf_answers_total{source="popularity"} 1.0',
        "ncf_model_version 3.0",
        "ncf_problem 0.0",
    ):
        assert line in lines


def test_the_documentation_needs_no_other_server(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "/openapi.json" in page
    assert "http://" not in page
    assert "https://" not in page
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/recommendations", "/healthz", "/version", "/metrics"}
    assert "HTTPValidationError" not in json.dumps(described), "errors are described as they come"


def test_k_may_be_limited_below_its_default(bundle: Bundle) -> None:
    client = client_of(bundle, Limits(max_k=4, max_items=2))
    assert len(client.get("/recommendations", params={"user_id": 3}).json()["recommendations"]) == 4
    assert error_of(client.get("/recommendations", params={"user_id": 3, "k": 5}), 422)["got"] == "5"
    assert client.post("/recommendations", json={"item_ids": [1, 8]}).status_code == 200
    error_of(client.post("/recommendations", json={"item_ids": [1, 8, 15]}), 422)
