"""A disk that runs full in the middle of a training."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.checks import NEEDED_BYTES
from tests.e2e.faults.cluster import Cluster, seconds_since
from tests.e2e.faults.invariants import assert_not_trained_again, assert_whole, finished
from tests.e2e.faults.reliability import Reliability

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1500)]
PART = "Disk and clock"
DATASET, MACHINE = "disk", "nine"


@pytest.fixture
def small_disk(cluster: Cluster) -> Iterator[Path]:
    """A file system of its own for the cache of a machine, a little larger than a retraining asks for."""
    cache = cluster.cache(MACHINE)
    cache.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={NEEDED_BYTES + 30_000_000}", "ncf-small-disk", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield cache
    cluster.workers.pop(MACHINE).stop()
    subprocess.run(["umount", "--lazy", str(cache)], check=True)


def fill(folder: Path) -> Path:
    """Take all space that is left. Returns the file that takes it."""
    path = folder / "somebody-elses.bin"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 1_000_000):
                pass
        except OSError:
            pass
    assert os.statvfs(folder).f_bavail == 0
    return path


def test_a_full_disk_is_told_and_the_next_run_goes_on(
    cluster: Cluster, small_disk: Path, reliability: Reliability
) -> None:
    cluster.worker(MACHINE, DATASET)
    cluster.reset_hold(DATASET)
    run = cluster.start_run(DATASET, fault="hold epoch mlp 3")
    cluster.wait_until_held(DATASET)
    before = finished(cluster.registry, DATASET)
    filling = fill(small_disk)
    cluster.release(DATASET)
    state = cluster.wait_for_end(run)
    assert (state.name, "No space left on device" in str(state.message)) == ("Failed", True), state
    refused = cluster.wait_for_end(cluster.start_run(DATASET))
    assert refused.name == "Failed" and "nearly full" in str(refused.message), refused
    filling.unlink()
    began = time.monotonic()
    again = cluster.start_run(DATASET)
    assert cluster.wait_for_end(again).name == "Completed", cluster.run_log(again)[-3000:]
    assert "training mlp from its last checkpoint" in cluster.run_log(again)
    assert_not_trained_again(before, finished(cluster.registry, DATASET))
    assert_whole(cluster.tracking_uri, DATASET)
    happened = (
        'Failed, "No space left on device"; the next run is refused before any work, "nearly full"; with room again, '
        "the one after goes on from the last checkpoint"
    )
    reliability.survived(
        PART, "the disk of the cache is full while a checkpoint is written", happened, seconds_since(began)
    )
