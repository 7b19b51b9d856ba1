"""The service as an ASGI application, and what its clients are told."""

from typing import Any

from starlette.testclient import TestClient

from ncf.serving.bundle import Bundle
from ncf.serving.config import Limits
from ncf.serving.http.app import create_app
from ncf.serving.http.live import Live, Served

NAME = "ncf-some"


def live_of(bundle: Bundle, version: int = 3) -> Live:
    return Live(Served.of(NAME, version, bundle))


def client_of(bundle: Bundle, limits: Limits | None = None, token: str | None = None) -> TestClient:
    return TestClient(create_app(live_of(bundle), limits, token), raise_server_exceptions=False)


def error_of(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    [(name, facts)] = answer.json().items()
    assert name == "error"
    assert "what" in facts and set(facts) <= {"what", "got", "allowed", "do"}
    return dict(facts)
