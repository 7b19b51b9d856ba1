"""A command or a run whose Prefect server is not there."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.backtest import flow as backtest
from flows.backtest.report import BacktestReport, Difference, Figure
from flows.cli.flow_command import PrefectAwayError, start_prefect
from flows.monitor import flow as monitor
from flows.monitor.report import MonitorReport
from flows.orchestration.artifacts import Progress
from tests.e2e.processes import free_port

NOTHING = Figure(value=0, low=None, high=None)


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a server that does not answer."""
    away = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: away, PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield away


def test_a_server_that_does_not_answer_is_named_before_any_work(url: str) -> None:
    with pytest.raises(PrefectAwayError, match=rf"does not answer.*{url}.*make up"):
        start_prefect()


def test_a_result_that_can_not_be_shown_is_a_warning(url: str, caplog: pytest.LogCaptureFixture) -> None:
    against = {"ours": "weekly", "theirs": "never", "hr": NOTHING, "ndcg": NOTHING, "trainings": 1, "seconds": 1}
    about = {"dataset": "shop", "model": "gmf", "run_id": "1", "fingerprint": "2", "span": "a week"}
    counts = {"window_days": 7, "windows": 1, "empty": 0, "users": 1}
    with caplog.at_level(logging.WARNING, logger="flows.orchestration.artifacts"):
        monitor.publish(MonitorReport(dataset="shop", checked=datetime(2026, 1, 1, tzinfo=UTC)))
        differences = [Difference.model_validate(against)]
        backtest.publish(BacktestReport.model_validate({**about, **counts, "rows": [], "differences": differences}))
        with Progress("shop-backtest-progress", "backtest", total=2, terminal="bar") as progress:
            progress.advance(1, "trained")
    keys = ("shop-monitor", "shop-backtest-policies", "shop-backtest-report", "shop-backtest-progress")
    assert [
        record.getMessage().partition(" ")[0]
        for record in caplog.records
        if record.name == "flows.orchestration.artifacts"
    ] == [*keys]
