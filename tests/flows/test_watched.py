from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from flows.automation_rules import SILENCE
from flows.watched import HEARTBEAT_SECONDS, watched


@flow(name="seen")
def seen() -> tuple[list[str], int | None]:
    return list(flow_run.tags), get_current_settings().flows.heartbeat_frequency


def test_a_run_of_a_command_is_known_to_the_automation_that_crashes_what_is_silent(prefect_server: None) -> None:
    with watched():
        tags, heartbeat = seen()
    assert tags == ["ncf"] and heartbeat == HEARTBEAT_SECONDS
    assert SILENCE.seconds == 5 * HEARTBEAT_SECONDS
    assert seen()[0] == []
