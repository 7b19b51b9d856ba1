"""Two executors, each a process of its own: with less memory than the log takes, and killed; and a Connect server."""

import json
import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.ncf.ingest.spark.conftest import has_java

pytest.importorskip("pyspark", reason="the extra spark is not installed")
if not has_java():
    pytest.skip("Spark needs Java, and there is none", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

REPOSITORY = Path(__file__).parents[4]
CHOICES = {"filters": {"min_per_user": 5, "min_per_item": 5, "repeated": "sum"}, "feedback": {"threshold": 2}}
EXECUTOR = "CoarseGrainedExecutorBackend"


def write_log(folder: Path, rows: int, files: int = 4) -> Path:
    """Made-up rows, written file by file."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(files):
        size = rows // files
        table = pa.table(
            {
                "user_id": random.zipf(1.3, size) % (rows // 50),
                "item_id": random.zipf(1.2, size) % 20_000,
                "rating": random.integers(1, 50, size) / 10,
                "timestamp": 1_500_000_000 + random.integers(0, 10**7, size),
            }
        )
        parquet.write_table(table, folder / f"{number}.parquet")
    return folder


def start(log: Path, **engine: Any) -> "subprocess.Popen[str]":
    arguments = [str(log), json.dumps(CHOICES), json.dumps(engine)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ncf.ingest.spark.prepare_log", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"SPARK_LOCAL_DIRS": str(log.parent / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, error = process.communicate(timeout=1000)
    assert process.returncode == 0, error[-3000:]
    return dict(json.loads(out.splitlines()[-1]))


def cluster(megabytes: int, **conf: str) -> dict[str, Any]:
    memory = {"spark.executor.memory": f"{megabytes}m", "spark.sql.shuffle.partitions": "8"}
    return {"kind": "spark", "master": f"local-cluster[2,1,{megabytes}]", "conf": memory | conf}


def executors_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(EXECUTOR in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for_executors(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Those that run; none if the work is done."""
    while process.poll() is None:
        if found := executors_of(process):
            return found
        time.sleep(0.2)
    return []


def test_a_log_larger_than_the_memory_of_the_executors(tmp_path: Path) -> None:
    """Six million rows are sorted in more bytes than an executor may have: they go through its disk."""
    log = write_log(tmp_path / "log", 6_000_000)
    assert result(start(log, **cluster(512))) == result(start(log))


def test_killed_executors_do_not_change_the_result(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 1_000_000)
    expected = result(start(log))
    process = start(log, **cluster(1024))
    killed = 0
    for wait in (3, 6, 6):  # seconds into whatever is computed then
        executors = wait_for_executors(process)
        time.sleep(wait)
        for executor in executors:
            if process.poll() is None and executor.is_running():
                executor.kill()
                killed += 1
    assert result(process) == expected
    assert killed


def test_a_spark_connect_server_prepares_the_same(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 20_000)
    [home] = find_spec("pyspark").submodule_search_locations  # type: ignore[misc]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    conf = {
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.ui.enabled": "false",
    }
    settings = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    service = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    with (tmp_path / "server.log").open("w") as told:
        server = subprocess.Popen(
            [f"{home}/bin/spark-submit", "--master", "local[2]", *settings, *service],
            env=os.environ | {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1"},
            stdout=told,
            stderr=told,
        )
    try:
        ends = time.monotonic() + 300
        while "server started at" not in (tmp_path / "server.log").read_text() and time.monotonic() < ends:
            assert server.poll() is None, (tmp_path / "server.log").read_text()[-3000:]
            time.sleep(0.5)
        assert result(start(log, kind="spark", remote=f"sc://127.0.0.1:{port}")) == result(start(log))
    finally:
        server.terminate()
        server.wait(60)
