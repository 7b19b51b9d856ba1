"""The clients of the service's benchmark, against a real server. No timings here: those are the benchmark's."""

import json
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.load import Load, of_items, of_users
from tests.ncf.ingest.web_server import running_web_server

CLIENTS = ["wrk", "python"] if load.client_name() == "wrk" else ["python"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", ["/there", "/gone"])
def test_a_client_counts_what_failed(client: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if client == "python":
        monkeypatch.setattr(load, "client_name", lambda: "a Python client")
    with running_web_server() as web:
        web.files["/there"] = b"{}"
        found = load.finish(load.start(Load(web.url, "GET", [path], 2, 1), tmp_path))
        assert {requested for requested, _ in web.requests} == {path}
    assert found["requests"] > 0
    assert found["failed"] == (0 if path == "/there" else found["requests"])
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_the_same_requests_are_asked_in_every_run() -> None:
    users, again = (of_users("http://x", [3, 5, 8], 2, 1) for _ in range(2))
    assert users == again
    assert set(users.requests) == {f"/recommendations?user_id={user}&k=10" for user in (3, 5, 8)}
    bodies = [json.loads(body)["item_ids"] for body in of_items("http://x", list(range(50)), 20, 2, 1).requests]
    assert all(len(set(items)) == 20 for items in bodies)
