"""A command's flow run, whose death the Prefect server notices, as it does with a deployment's."""

from typing import Any, TypeVar, cast

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

from flows.deployed import TAG

R = TypeVar("R")
HEARTBEAT_SECONDS = 30  # flows/automation_rules.py takes five missing ones for death


def run_watched(flow: Flow[Any, R], settings: object) -> R:
    """Run a flow; if there is a server, with heartbeats, and the tag that the automations look for.

    The run has the tag, its tasks have not, as a deployment's: for each tag of a task Prefect asks the server for a
    slot, and while the server is away that fails without another try.

    Args:
        flow: has one parameter, `settings`.
        settings: what it is given.
    """
    if get_current_settings().api.url is None:
        return flow(settings)
    given = {"settings": settings}
    run = get_client(sync_client=True).create_flow_run(flow, parameters=flow.serialize_parameters(given), tags=[TAG])
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_SECONDS}):
        return cast(R, run_flow(flow, flow_run=run, parameters=given))
