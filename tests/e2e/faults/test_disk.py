"""A disk that runs full in the middle of a training."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.preflight import NEEDED_BYTES
from tests.e2e.faults.cluster import House, seconds_since
from tests.e2e.faults.invariants import assert_not_trained_again, assert_whole, finished
from tests.e2e.faults.reliability import Reliability

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(1500)]
PART = "Disk and clock"
DATASET, MACHINE = "disk", "nine"


@pytest.fixture
def small_disk(house: House) -> Iterator[Path]:
    """A file system of its own for the cache of a machine, a little larger than a retraining asks for."""
    cache = house.cache(MACHINE)
    cache.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={NEEDED_BYTES + 30_000_000}", "ncf-small-disk", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield cache
    house.workers.pop(MACHINE).stop()
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


def test_a_full_disk_is_told_and_the_next_run_goes_on(house: House, small_disk: Path, reliability: Reliability) -> None:
    house.worker(MACHINE, DATASET)
    house.prepare_hold(DATASET)
    run = house.ask(DATASET, fault="hold epoch mlp 3")
    house.held(DATASET)
    before = finished(house.registry, DATASET)
    filling = fill(small_disk)
    house.release(DATASET)
    state = house.ended(run)
    assert (state.name, "No space left on device" in str(state.message)) == ("Failed", True), state
    refused = house.ended(house.ask(DATASET))
    assert refused.name == "Failed" and "nearly full" in str(refused.message), refused
    filling.unlink()
    began = time.monotonic()
    again = house.ask(DATASET)
    assert house.ended(again).name == "Completed", house.words(again)[-3000:]
    assert "training mlp, from its last checkpoint" in house.words(again)
    assert_not_trained_again(before, finished(house.registry, DATASET))
    assert_whole(house.tracking_uri, DATASET)
    happened = (
        'Failed, "No space left on device"; the next run is refused before any work, "nearly full"; with room again, '
        "the one after goes on from the last checkpoint"
    )
    reliability.survived(
        PART, "the disk of the cache is full while a checkpoint is written", happened, seconds_since(began)
    )
