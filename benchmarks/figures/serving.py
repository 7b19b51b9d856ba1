"""The HTTP service under load, while another version becomes the champion; and the time of a rollback."""

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
from benchmarks.bench import QUICK, Bench, Result
from benchmarks.datasets import ROOT
from benchmarks.ours.serving import DATASET, NAME
from benchmarks.table import Row
from flows.registry.alias import CHAMPION
from flows.tracking.store import URI_VARIABLE, connect

CONNECTIONS = 8
REFRESH_SECONDS = 1.0
LIST_LENGTH = 20  # items of a user who is folded in
STARTING_SECONDS = 120.0
ROLLBACKS = 5


def gmf(bench: Bench) -> list[Row]:
    """Known users, GMF."""
    return _known_users(bench, "gmf")


def neumf(bench: Bench) -> list[Row]:
    """Known users, NeuMF."""
    return _known_users(bench, "neumf")


def fold_in(bench: Bench) -> list[Row]:
    """Users who are known by a list of items alone."""
    rows = []
    for kind in ("gmf", "neumf"):
        store = _store_of(bench, kind)
        with _serving(bench, kind) as url:
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


def rollback(bench: Bench) -> list[Row]:
    """The slowest of some rollbacks by the command line; before each, another version is promoted by hand."""
    kind = "gmf"
    old, new = _store_of(bench, kind)["versions"]
    commands, answers = [], []
    with _serving(bench, kind) as url:
        for _ in range(ROLLBACKS):
            _registry(bench, kind, "promote", "--version", str(new), "--reason", "to be rolled back", "--force")
            _wait_for(url, new)
            started = time.perf_counter()
            _registry(bench, kind, "rollback")
            commands.append(time.perf_counter() - started)
            _wait_for(url, old)
            answers.append(time.perf_counter() - started)
    note = (
        f"the slowest of {ROLLBACKS}, the start of Python included, on a SQLite store of this machine; the service "
        f"looks for a new champion every {REFRESH_SECONDS:g} s"
    )
    cores, day = bench.cores, bench.measured
    return [
        Row("rollback", "rollback: the command", "s", max(commands), None, "<= 10", cores, None, note, day),
        Row("rollback", "rollback: until the service answers", "s", max(answers), None, "", cores, None, note, day),
    ]


def _registry(bench: Bench, kind: str, *args: str) -> None:
    command = [sys.executable, "-m", "flows.registry", *args, "--dataset", DATASET]
    done = subprocess.run(command, cwd=bench.folder, env=_environment(bench, kind), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(args)} failed:\n{done.stderr}")


def _known_users(bench: Bench, kind: str) -> list[Row]:
    store = _store_of(bench, kind)
    old, new = store["versions"]
    client = connect(_uri(bench, kind))
    with _serving(bench, kind) as url:
        load.finish(load.start(load.of_users(url, store["users"], CONNECTIONS, 2), bench.folder))  # warm-up
        running = load.start(load.of_users(url, store["users"], CONNECTIONS, _seconds(bench)), bench.folder)
        time.sleep(_seconds(bench) / 3)
        client.set_registered_model_alias(NAME, CHAMPION, str(new))
        waited = _wait_for(url, new)
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
def _store_of(bench: Bench, kind: str) -> Result:
    """Register two versions; the first is the champion."""
    epochs = 1 if bench.sizes == QUICK else 2
    answer = bench.ours("make_store", kind=kind, uri=_uri(bench, kind), epochs=epochs, threads=bench.cores)
    connect(_uri(bench, kind)).set_registered_model_alias(NAME, CHAMPION, str(answer["versions"][0]))
    return answer


@contextmanager
def _serving(bench: Bench, kind: str) -> Iterator[str]:
    """Start the service as a process of its own. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--dataset", DATASET, "--port", str(port), "--refresh-seconds", str(REFRESH_SECONDS)]
    options += ["--limits.requests-per-second", "1e9"]  # all requests come from one client
    log = bench.folder / f"{kind}.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "flows.serve", *options]
        process = subprocess.Popen(
            command, cwd=bench.folder, env=_environment(bench, kind), stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _environment(bench: Bench, kind: str) -> dict[str, str]:
    """The environment of a process that uses the store."""
    return os.environ | {"PYTHONPATH": str(ROOT), URI_VARIABLE: _uri(bench, kind)}


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + STARTING_SECONDS
    while _version(url) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"error: the service did not start; its log:\n{log.read_text()}")
        time.sleep(0.2)


def _wait_for(url: str, version: int) -> float:
    """Wait until this version serves; returns the seconds."""
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
