from prefect import flow, task
from prefect.context import TaskRunContext
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from flows.automation_rules import SILENCE
from flows.watched import HEARTBEAT_SECONDS, run_watched


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
    assert run_watched(seen, "x") == ("seen x", ["ncf"], [], HEARTBEAT_SECONDS)
    assert SILENCE.seconds == 5 * HEARTBEAT_SECONDS
    assert seen("y")[:2] == ("seen y", [])
