"""Load on a service: wrk if it is installed, else a Python client in a process of its own."""

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

DISTINCT_REQUESTS = 2_000  # of a run, sent in turn

LUA = """local requests = {%s}
local index = 0
request = function()
  index = index %% #requests + 1
  return wrk.format(%s)
end
done = function(summary, latency, all)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %%d, "seconds": %%f, "p50_ms": %%f, "p99_ms": %%f, "failed": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
LUA_GET = '"GET", requests[index]'
LUA_POST = '"POST", "/recommendations", {["Content-Type"] = "application/json"}, requests[index]'


@dataclass(frozen=True)
class Load:
    """The requests and the number of clients.

    Attributes:
        url: URL of the service.
        method: "GET" with paths, or "POST" with bodies for /recommendations.
        requests: paths or bodies, sent in turn.
        connections: number of clients, each with one request at a time.
        seconds: duration.
    """

    url: str
    method: str
    requests: list[str]
    connections: int
    seconds: float


def of_users(url: str, user_ids: list[Any], connections: int, seconds: float) -> Load:
    """Requests for the top 10 of random users."""
    chosen = random.Random(0).choices(user_ids, k=DISTINCT_REQUESTS)
    return Load(url, "GET", [f"/recommendations?user_id={user}&k=10" for user in chosen], connections, seconds)


def of_items(url: str, item_ids: list[Any], length: int, connections: int, seconds: float) -> Load:
    """Requests for the top 10 given random lists of items."""
    draw = random.Random(0)
    bodies = [json.dumps({"item_ids": draw.sample(item_ids, length)}) for _ in range(DISTINCT_REQUESTS)]
    return Load(url, "POST", bodies, connections, seconds)


def client_name() -> str:
    """The client that is used."""
    return "wrk" if shutil.which("wrk") else "a Python client"


def start(load: Load, folder: Path) -> "subprocess.Popen[str]":
    """Start the client."""
    if client_name() != "wrk":
        command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    script = folder / "load.lua"
    script.write_text(LUA % (", ".join(map(json.dumps, load.requests)), LUA_GET if load.method == "GET" else LUA_POST))
    sizes = ["-t", "1", "-c", str(load.connections), "-d", f"{load.seconds:.0f}s", "--timeout", "10s"]
    return subprocess.Popen(["wrk", *sizes, "-s", str(script), load.url], stdout=subprocess.PIPE, text=True)


def finish(client: "subprocess.Popen[str]") -> dict[str, float]:
    """Wait for the client; returns requests, seconds, p50_ms, p99_ms and failed."""
    output, _ = client.communicate()
    if client.returncode:
        raise SystemExit(f"error: the client failed:\n{output}")
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def send_requests(load: Load) -> dict[str, float]:
    """The Python client: one thread per connection."""
    seconds: list[float] = []
    failed: list[str] = []
    end = time.perf_counter() + load.seconds

    def client(number: int) -> None:
        connection = HTTPConnection(urlsplit(load.url).netloc, timeout=10)
        index = number
        while (started := time.perf_counter()) < end:
            index += load.connections
            request = load.requests[index % len(load.requests)]
            path, body = (request, None) if load.method == "GET" else ("/recommendations", request)
            try:
                connection.request(load.method, path, body, {"Content-Type": "application/json"})
                result = connection.getresponse()
                result.read()
                if result.status != 200:
                    failed.append(str(result.status))
            except (OSError, HTTPException) as error:
                failed.append(repr(error))
                connection.close()
            seconds.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(load.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(np.array(seconds) * 1000, (50, 99)).tolist()
    numbers = {"requests": len(seconds), "seconds": load.seconds, "p50_ms": p50, "p99_ms": p99, "failed": len(failed)}
    return {key: float(value) for key, value in numbers.items()}


if __name__ == "__main__":
    print(json.dumps(send_requests(Load(**json.loads(sys.argv[1])))))  # noqa: T201
