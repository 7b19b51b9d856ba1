"""Who may ask, how often, and how much."""

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from ncf.serving.config import Limits
from ncf.serving.http.app import create_app
from tests.ncf.serving.bundles import bundle_of, some_data
from tests.ncf.serving.http.clients import client_of, error_of, live_of

TOKEN = "correct-horse-battery"
PATHS = ["/recommendations?user_id=3", "/version", "/metrics", "/docs", "/openapi.json", "/nothing"]


@pytest.fixture
def guarded() -> TestClient:
    return client_of(bundle_of(some_data()), token=TOKEN)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        b"Bearer \xff",
    ],
)
def test_without_the_right_token_nothing_is_answered(guarded: TestClient, path: str, header: Any) -> None:
    answer = guarded.get(path, headers={} if header is None else {"authorization": header})
    assert error_of(answer, 401)["do"] == "send the header Authorization: Bearer TOKEN"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token_everything_is(guarded: TestClient, scheme: str) -> None:
    for path in PATHS[:-1]:
        assert guarded.get(path, headers={"authorization": f"{scheme} {TOKEN}"}).status_code == 200


def test_health_without_the_token_says_only_whether(guarded: TestClient) -> None:
    assert guarded.get("/healthz").json() == {"status": "ok"}
    assert guarded.get("/healthz", headers={"authorization": f"Bearer {TOKEN}"}).json()["version"] == 3


def test_too_many_requests_are_refused_with_the_time_to_wait() -> None:
    client = client_of(bundle_of(some_data()), Limits(requests_per_second=0.02))
    assert client.get("/version").status_code == 200
    answer = client.get("/version")
    assert error_of(answer, 429)["allowed"] == "0.02 per second"
    assert 1 <= int(answer.headers["retry-after"]) <= 50


def test_guesses_of_the_token_count_as_requests() -> None:
    client = client_of(bundle_of(some_data()), Limits(requests_per_second=0.01), TOKEN)
    assert [client.get("/version").status_code for _ in range(2)] == [401, 429]


def test_a_body_that_says_it_is_too_large_is_refused() -> None:
    client = client_of(bundle_of(some_data()), Limits(max_body_bytes=256))
    assert error_of(client.post("/recommendations", content=b" " * 257), 413)["allowed"] == "256 bytes"
    fits = b'{"item_ids": [1]}'.ljust(256)
    assert (
        client.post("/recommendations", content=fits, headers={"content-type": "application/json"}).status_code == 200
    )


def test_a_body_that_grows_too_large_is_refused() -> None:
    client = client_of(bundle_of(some_data()), Limits(max_body_bytes=256))
    parts = (b" " * 100 for _ in range(5))
    error_of(client.post("/recommendations", content=parts), 413)


def ask(app: Any, messages: list[Message], wait: float = 0.0) -> int:
    """Speak ASGI by hand: the status of the answer to a body that comes as these messages, then nothing more."""
    statuses: list[int] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            await asyncio.sleep(wait)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/recommendations",
        "raw_path": b"/recommendations",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    asyncio.run(app(scope, receive, send))
    return statuses[0]


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    app = create_app(live_of(bundle_of(some_data())), Limits(body_seconds=0.05))
    assert ask(app, [{"type": "http.request", "body": b"{", "more_body": True}]) == 408


def test_a_client_that_leaves_is_not_waited_for() -> None:
    app = create_app(live_of(bundle_of(some_data())))
    begun: Message = {"type": "http.request", "body": b"{", "more_body": True}
    assert ask(app, [begun, {"type": "http.disconnect"}]) == 400


def test_more_than_may_wait_are_refused_and_room_is_made_again() -> None:
    app = create_app(live_of(bundle_of(some_data())), Limits(most_waiting=1))
    client = TestClient(app)
    statuses: list[int] = []

    async def two() -> None:
        first_in = asyncio.Event()
        go_on = asyncio.Event()

        async def receive() -> Message:
            first_in.set()
            await go_on.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "method": "GET", "path": "/version", "headers": [], "query_string": b""}
        first = asyncio.create_task(app(dict(scope), receive, send))
        await first_in.wait()
        await app(dict(scope), receive, send)
        go_on.set()
        await first

    asyncio.run(two())
    assert statuses == [503, 200]
    assert client.get("/version").status_code == 200
