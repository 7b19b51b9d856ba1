"""What the service can't answer, it says in JSON."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from ncf.serving.config import Limits
from ncf.serving.http import app as http
from tests.ncf.serving.bundles import bundle_of, some_data, with_text_ids
from tests.ncf.serving.http.clients import client_of, error_of


@pytest.fixture
def client() -> TestClient:
    return client_of(bundle_of(some_data()))


@pytest.mark.parametrize(
    ("query", "what", "got", "allowed"),
    [
        ("user_id=abc", "user_id is of the wrong type", "abc", "a 64-bit integer"),
        ("user_id=3&k=0", "query.k is not allowed", "0", "Input should be greater than or equal to 1"),
        ("user_id=3&k=101", "query.k is not allowed", "101", "Input should be less than or equal to 100"),
        ("user_id=3&k=x", "query.k is not allowed", "x", "Input should be a valid integer"),
        ("user=3", "query.user_id is missing", None, ""),
        ("user_id=3&limit=4", "query.limit is unknown", "4", ""),
    ],
)
def test_a_wrong_query_is_told_what_is_allowed(
    client: TestClient, query: str, what: str, got: str | None, allowed: str
) -> None:
    facts = error_of(client.get(f"/recommendations?{query}"), 422)
    assert (facts["what"], facts.get("got")) == (what, got)
    assert facts.get("allowed", "").startswith(allowed)
    assert all(facts.values()), "what there is nothing to say about is left out"


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        ({}, 422, "the request names neither a user nor items"),
        ({"item_ids": []}, 422, "the request names neither a user nor items"),
        ({"user_id": "3"}, 422, "user_id is of the wrong type"),
        ({"user_id": 3.5}, 422, "body.user_id"),
        ({"user_id": True}, 422, "body.user_id"),
        ({"user_id": 2**64}, 422, "user_id is of the wrong type"),
        ({"item_ids": [1, "8"]}, 422, "item_ids[1] is of the wrong type"),
        ({"item_ids": 1}, 422, "body.item_ids"),
        ({"item_ids": [1] * 1001}, 422, "body.item_ids"),
        ({"item_ids": [1], "k": "3"}, 422, "body.k"),
        ({"item_ids": [1], "more": 1}, 422, "body.more"),
        ([], 422, "the body is not a JSON object"),
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
    assert broken["what"] == "the body is not valid JSON: error at character 15"
    form = error_of(client.post("/recommendations", data={"user_id": "1"}), 422)
    assert form["what"] == "the body is not a JSON object" and "Content-Type: application/json" in form["do"]
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
    assert error_of(answer, 500)["what"] == "internal error of the service"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_k_may_be_limited_below_its_default() -> None:
    client = client_of(bundle_of(some_data()), Limits(max_k=4, max_items=2))
    assert len(client.get("/recommendations", params={"user_id": 3}).json()["recommendations"]) == 4
    assert error_of(client.get("/recommendations", params={"user_id": 3, "k": 5}), 422)["got"] == "5"
    assert client.post("/recommendations", json={"item_ids": [1, 8]}).status_code == 200
    error_of(client.post("/recommendations", json={"item_ids": [1, 8, 15]}), 422)
