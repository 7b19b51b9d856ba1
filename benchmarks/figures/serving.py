"""The HTTP service under load, while another version becomes the champion."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import requests

from benchmarks import load
from benchmarks.bench import QUICK, Answer, Bench
from benchmarks.datasets import ROOT
from benchmarks.ours.serving import DATASET, NAME
from benchmarks.table import Row
from flows.registry.alias import CHAMPION
from flows.tracking.store import URI_VARIABLE, connect

CONNECTIONS = 8
REFRESH_SECONDS = 1.0
LIST_LENGTH = 20  # items of a user who is folded in
STARTING_SECONDS = 120.0


def gmf(bench: Bench) -> list[Row]:
    """GMF, known users."""
    return _known_users(bench, "gmf")


def neumf(bench: Bench) -> list[Row]:
    """NeuMF, known users."""
    return _known_users(bench, "neumf")


def fold_in(bench: Bench) -> list[Row]:
    """Users known by items alone."""
    rows = []
    for kind in ("gmf", "neumf"):
        store = store_of(bench, kind)
        with serving(bench, kind) as url:
            asked = load.of_items(url, store["items"], LIST_LENGTH, CONNECTIONS, _seconds(bench))
            found = load.finish(load.start(asked, bench.folder))
        note = f"lists of {LIST_LENGTH} random items, each fitted anew; {_counted(bench)}"
        rate = found["requests"] / found["seconds"]
        failed = found["failed"]
        name, cores, day = "fold-in", bench.cores, bench.measured
        rows += [
            Row(name, f"{kind}, folding in: requests", "1/s", rate, None, "", cores, None, note, day),
            Row(name, f"{kind}, folding in: p50", "ms", found["p50_ms"], None, "", cores, None, note, day),
            Row(name, f"{kind}, folding in: p99", "ms", found["p99_ms"], None, "", cores, None, note, day),
            Row(name, f"{kind}, folding in: failed requests", "", failed, None, "<= 0", cores, None, note, day),
        ]
    return rows


def _known_users(bench: Bench, kind: str) -> list[Row]:
    store = store_of(bench, kind)
    old, new = store["versions"]
    client = connect(_uri(bench, kind))
    with serving(bench, kind) as url:
        load.finish(load.start(load.of_users(url, store["users"], CONNECTIONS, 2), bench.folder))  # warm-up
        running = load.start(load.of_users(url, store["users"], CONNECTIONS, _seconds(bench)), bench.folder)
        time.sleep(_seconds(bench) / 3)
        client.set_registered_model_alias(NAME, CHAMPION, str(new))
        waited = wait_for(url, new)
        found = load.finish(running)
    client.set_registered_model_alias(NAME, CHAMPION, str(old))
    note = (
        f"the top 10 of random users; another version becomes the champion a third of the way, and answers "
        f"{waited:.1f} s later (refresh_seconds {REFRESH_SECONDS:g}); {_counted(bench)}"
    )
    rate = found["requests"] / found["seconds"]
    cores, day = bench.cores, bench.measured
    return [
        Row(kind, f"{kind}: requests", "1/s", rate, None, ">= 300", cores, None, note, day),
        Row(kind, f"{kind}: p50", "ms", found["p50_ms"], None, "", cores, None, note, day),
        Row(kind, f"{kind}: p99", "ms", found["p99_ms"], None, "<= 50", cores, None, note, day),
        Row(kind, f"{kind}: failed requests", "", found["failed"], None, "<= 0", cores, None, note, day),
    ]


def _counted(bench: Bench) -> str:
    return (
        f"{load.client_name()} with {CONNECTIONS} connections for {_seconds(bench):.0f} s, on the same cores; a "
        f"model trained on {bench.sizes.log}"
    )


@cache
def store_of(bench: Bench, kind: str) -> Answer:
    """Two registered versions; the first is the champion."""
    epochs = 1 if bench.sizes == QUICK else 2
    answer = bench.ours("make_store", kind=kind, uri=_uri(bench, kind), epochs=epochs, threads=bench.cores)
    connect(_uri(bench, kind)).set_registered_model_alias(NAME, CHAMPION, str(answer["versions"][0]))
    return answer


@contextmanager
def serving(bench: Bench, kind: str) -> Iterator[str]:
    """The service as a process of its own. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--dataset", DATASET, "--port", str(port), "--refresh-seconds", str(REFRESH_SECONDS)]
    options += ["--limits.requests-per-second", "1e9"]  # one client is all the load
    log = bench.folder / f"{kind}.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "flows.serve", *options]
        process = subprocess.Popen(
            command, cwd=bench.folder, env=environment(bench, kind), stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def environment(bench: Bench, kind: str) -> dict[str, str]:
    """Of a process that is to find the store."""
    return os.environ | {"PYTHONPATH": str(ROOT), URI_VARIABLE: _uri(bench, kind)}


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + STARTING_SECONDS
    while _version(url) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"error: the service did not start; its log:\n{log.read_text()}")
        time.sleep(0.2)


def wait_for(url: str, version: int) -> float:
    """Seconds until this version answers."""
    started = time.monotonic()
    while _version(url) != version:
        if time.monotonic() - started > STARTING_SECONDS:
            raise SystemExit(f"error: version {version} does not serve")
        time.sleep(0.1)
    return time.monotonic() - started


def _version(url: str) -> Any:
    try:
        return requests.get(f"{url}/version", timeout=10).json()["version"]
    except requests.RequestException:
        return None


def _seconds(bench: Bench) -> float:
    return 4 if bench.sizes == QUICK else 30


def _uri(bench: Bench, kind: str) -> str:
    return f"sqlite:///{bench.folder / kind / 'mlflow.db'}"
