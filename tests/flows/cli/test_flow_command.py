from typing import Any

import httpx
import pytest
from prefect import flow, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.context import TaskRunContext
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from flows.automations.rules import SILENCE
from flows.cli import flow_command
from flows.cli.flow_command import PrefectAwayError, run_flow
from flows.orchestration.deployments import HEARTBEAT_SECONDS


@task
def inside() -> list[str]:
    context = TaskRunContext.get()
    assert context is not None
    return list(context.task_run.tags)


@flow(name="seen", flow_run_name="seen {settings}")
def seen(settings: str) -> tuple[str, list[str], list[str], int | None]:
    frequency = get_current_settings().flows.heartbeat_frequency
    return str(flow_run.get_name()), list(flow_run.tags), inside(), frequency


def test_a_run_of_a_command_is_known_to_the_automation_that_crashes_what_is_silent(prefect_server: None) -> None:
    assert run_flow(seen, "x") == ("seen x", ["ncf"], [], HEARTBEAT_SECONDS)
    assert SILENCE.seconds == 5 * HEARTBEAT_SECONDS
    assert seen("y")[:2] == ("seen y", [])


def test_a_server_that_is_away_for_a_moment_as_a_run_begins_is_waited_for(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, away = SyncPrefectClient.create_flow_run, [2]

    def created(self: SyncPrefectClient, *given: Any, **named: Any) -> Any:
        if away[0]:
            away[0] -= 1
            raise httpx.ConnectError("[Errno 111] Connection refused")
        return create(self, *given, **named)

    monkeypatch.setattr(SyncPrefectClient, "create_flow_run", created)
    monkeypatch.setattr(flow_command, "PAUSES", (0.1, 0.1))
    assert run_flow(seen, "x")[0] == "seen x"
    away[0] = 3
    with pytest.raises(PrefectAwayError, match="went away before the run could begin.*refused.*make up"):
        run_flow(seen, "y")
