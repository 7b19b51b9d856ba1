"""What happens by itself after a promotion, a failure, and where nothing has changed."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pandas as pd
import pytest
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun

from flows.automations.rules import URL_VARIABLE
from tests.e2e.faults.cluster import Cluster
from tests.e2e.faults.invariants import assert_whole, versions_and_champion
from tests.e2e.faults.tiny_retraining import USERS, write_log
from tests.e2e.faults.webhook import Sink, running_sink
from tests.e2e.processes import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1500)]
DATASET, MACHINE = "daily", "eleven"


@pytest.fixture(scope="module")
def sink(cluster: Cluster) -> Iterator[Sink]:
    """Somebody who is to be told, and a worker."""
    with running_sink() as sink:
        done = cluster.command("flows.automations", **{URL_VARIABLE: sink.url})
        assert done.returncode == 0, done.stderr
        assert "automation 'ncf: tell of promotions' created" in done.stdout
        cluster.worker(MACHINE, DATASET)
        yield sink
        cluster.workers.pop(MACHINE).stop()


def recommending(cluster: Cluster) -> list[FlowRun]:
    with cluster.client() as client:
        return list(client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["recommend"]))))


def test_a_promotion_is_told_and_writes_the_recommendations(cluster: Cluster, sink: Sink) -> None:
    run = cluster.start_run(DATASET)
    assert cluster.wait_for_end(run).name == "Completed", cluster.run_log(run)[-3000:]
    wait_until(lambda: len(sink.messages) > 0, cluster.prefect.log, 60)
    [text] = sink.texts()
    assert text.startswith("ncf-daily: version 1 is the champion (promoted; before: -). there was none"), text
    wait_until(lambda: len(recommending(cluster)) > 0, cluster.prefect.log, 60)
    [followed] = recommending(cluster)
    assert cluster.wait_for_end(followed.id).name == "Completed", cluster.run_log(followed.id)
    lists = pd.read_csv(cluster.folder / "checkout" / "recommendations" / f"{DATASET}.csv")
    assert lists["user_id"].nunique() == USERS


def test_a_retraining_of_the_same_data_ends_early_and_says_so(cluster: Cluster, sink: Sink) -> None:
    run = cluster.start_run(DATASET)
    state = cluster.wait_for_end(run)
    assert state.name == "Unchanged" and state.is_completed()
    assert str(state.message).startswith("Nothing has changed since MLflow run "), state.message
    assert "training gmf" not in cluster.run_log(run)
    assert_whole(cluster.tracking_uri, DATASET)
    write_log(cluster.log_of(DATASET), seed=99)
    run = cluster.start_run(DATASET)
    assert cluster.wait_for_end(run).name == "Completed", "other data are trained on"
    assert versions_and_champion(cluster.tracking_uri, DATASET)[0] == 2


def _is_told(sink: Sink, run: str) -> bool:
    return any("is Failed" in text and run in text for text in sink.texts())


def test_a_failure_is_told_with_the_reason(cluster: Cluster, sink: Sink) -> None:
    cluster.log_of(DATASET).write_text("who,what\n1,2\n")
    for _attempt in range(3):  # Prefect loses an event if its SQLite is locked for long
        run = cluster.start_run(DATASET)
        state = cluster.wait_for_end(run)
        assert state.name == "Failed" and "has no column" in str(state.message), state
        with suppress(AssertionError):
            wait_until(partial(_is_told, sink, str(run)), cluster.prefect.log, 60)
            break
    [text] = [text for text in sink.texts() if "is Failed" in text and str(run) in text]
    assert text.startswith(f"retrain {DATASET}, seed 0 (retrain) is Failed: ") and "has no column" in text
    assert f"/runs/flow-run/{run}" in text
