"""Local time that jumps in the middle of a retraining."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from flows.registry.log import read_log
from tests.e2e.faults.cluster import Cluster, seconds_since
from tests.e2e.faults.invariants import assert_whole, runs_of
from tests.e2e.faults.reliability import Reliability

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1500)]
PART = "Disk and clock"
DATASET, MACHINE = "clock", "ten"


def back_one_hour_after(moment: datetime) -> str:
    """A time zone, as POSIX has them, three hours before UTC, whose summer time ends at this moment."""
    local = moment - timedelta(hours=2)  # in summer time
    day = local.timetuple().tm_yday - 1  # from 0, leap days counted
    return f"WST3WDT2,0/0,{day}/{local:%H:%M:%S}"


def test_local_time_that_goes_back_an_hour_changes_nothing(cluster: Cluster, reliability: Reliability) -> None:
    cluster.reset_hold(DATASET)
    change = datetime.now(UTC) + timedelta(seconds=45)
    cluster.worker(MACHINE, DATASET, TZ=back_one_hour_after(change))
    began, asked = time.monotonic(), datetime.now(UTC)
    run = cluster.start_run(DATASET, fault="hold epoch mlp 3")
    cluster.wait_until_held(DATASET)
    time.sleep(max(0.0, (change - datetime.now(UTC)).total_seconds() + 2))
    cluster.release(DATASET)
    assert cluster.wait_for_end(run).name == "Completed", cluster.run_log(run)[-3000:]
    again = cluster.start_run(DATASET)
    assert cluster.wait_for_end(again).name == "Unchanged", "a run after the change finds the one before it"
    ended = datetime.now(UTC)
    assert_whole(cluster.tracking_uri, DATASET)
    for one in runs_of(cluster.registry, DATASET):
        start, end = (datetime.fromtimestamp(at / 1000, UTC) for at in (one.info.start_time, one.info.end_time))
        assert asked - timedelta(seconds=1) <= start <= end <= ended + timedelta(seconds=1)
        named = datetime.strptime(one.info.run_name[-23:], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        assert abs(named - start) < timedelta(seconds=5), "run names say the time in UTC"
    [entry] = read_log(cluster.registry, f"ncf-{DATASET}")
    assert asked <= entry.when <= ended
    cluster.workers.pop(MACHINE).stop()
    happened = "Completed; every time that is kept is UTC and in order; the next run says Unchanged"
    reliability.survived(
        PART, "summer time ends while a model trains: local time goes back an hour", happened, seconds_since(began)
    )
