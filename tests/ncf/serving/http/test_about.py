"""What the service says of itself: its version, health, metrics and documentation."""

import json

import pytest
from starlette.testclient import TestClient

from ncf.serving.bundle import Bundle
from ncf.serving.http.app import create_app
from ncf.serving.http.live import Served
from ncf.serving.log import ServingLog
from ncf.serving.recommender import Recommender
from tests.ncf.serving.bundles import CONFIGS, bundle_of, some_data, with_text_ids
from tests.ncf.serving.http.clients import NAME, client_of, live_of


@pytest.fixture
def bundle() -> Bundle:
    return bundle_of(some_data())


@pytest.fixture
def client(bundle: Bundle) -> TestClient:
    return client_of(bundle)


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
        "log": ServingLog.of(some_data()).fingerprint,
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
