"""Clients that ask a service without a pause: wrk where it is installed, else a Python process of its own."""

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

ASKED = 2_000  # different requests of a run, sent over and over in turn

LUA = """local requests = {%s}
local place = 0
request = function()
  place = place %% #requests + 1
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
LUA_GET = '"GET", requests[place]'
LUA_POST = '"POST", "/recommendations", {["Content-Type"] = "application/json"}, requests[place]'


@dataclass(frozen=True)
class Load:
    """What is asked, and by how many.

    Attributes:
        url: the service.
        method: "GET" with paths, or "POST" with bodies for /recommendations.
        requests: paths or bodies, sent in turn.
        connections: clients, each with one request at a time.
        seconds: how long.
    """

    url: str
    method: str
    requests: list[str]
    connections: int
    seconds: float


def of_users(url: str, user_ids: list[Any], connections: int, seconds: float) -> Load:
    """The top 10 of random users."""
    chosen = random.Random(0).choices(user_ids, k=ASKED)
    return Load(url, "GET", [f"/recommendations?user_id={user}&k=10" for user in chosen], connections, seconds)


def of_items(url: str, item_ids: list[Any], length: int, connections: int, seconds: float) -> Load:
    """The top 10 for random lists of items."""
    draw = random.Random(0)
    bodies = [json.dumps({"item_ids": draw.sample(item_ids, length)}) for _ in range(ASKED)]
    return Load(url, "POST", bodies, connections, seconds)


def client_name() -> str:
    """Which client there is."""
    return "wrk" if shutil.which("wrk") else "a Python client"


def start(load: Load, folder: Path) -> "subprocess.Popen[str]":
    """Begin to ask."""
    if client_name() != "wrk":
        command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    script = folder / "load.lua"
    script.write_text(LUA % (", ".join(map(json.dumps, load.requests)), LUA_GET if load.method == "GET" else LUA_POST))
    sizes = ["-t", "1", "-c", str(load.connections), "-d", f"{load.seconds:.0f}s", "--timeout", "10s"]
    return subprocess.Popen(["wrk", *sizes, "-s", str(script), load.url], stdout=subprocess.PIPE, text=True)


def finish(client: "subprocess.Popen[str]") -> dict[str, float]:
    """Wait for its end: requests, seconds, p50_ms, p99_ms, failed."""
    output, _ = client.communicate()
    if client.returncode:
        raise SystemExit(f"error: the client failed:\n{output}")
    answer: dict[str, float] = json.loads(output.splitlines()[-1])
    return answer


def ask(load: Load) -> dict[str, float]:
    """The Python client: a thread for each connection."""
    taken: list[float] = []
    failed: list[str] = []
    end = time.perf_counter() + load.seconds

    def client(number: int) -> None:
        connection = HTTPConnection(urlsplit(load.url).netloc, timeout=10)
        place = number
        while (started := time.perf_counter()) < end:
            place += load.connections
            what = load.requests[place % len(load.requests)]
            path, body = (what, None) if load.method == "GET" else ("/recommendations", what)
            try:
                connection.request(load.method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    failed.append(str(answer.status))
            except (OSError, HTTPException) as error:
                failed.append(repr(error))
                connection.close()
            taken.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(load.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(np.array(taken) * 1000, (50, 99)).tolist()
    numbers = {"requests": len(taken), "seconds": load.seconds, "p50_ms": p50, "p99_ms": p99, "failed": len(failed)}
    return {key: float(value) for key, value in numbers.items()}


if __name__ == "__main__":
    print(json.dumps(ask(Load(**json.loads(sys.argv[1])))))  # noqa: T201
