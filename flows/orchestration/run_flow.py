"""A command's flow run, whose death the Prefect server notices, as it does with a deployment's."""

import time
from typing import Any, TypeVar, cast

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

from flows.orchestration.deployments import TAG
from ncf.errors import NCFError

R = TypeVar("R")
PAUSES = (1, 2, 4, 8, 16, 30)  # seconds: a server that is started again answers within a minute
HEARTBEAT_SECONDS = 30  # flows/automations/rules.py takes five missing ones for death


class PrefectAwayError(NCFError):
    """There is no Prefect server to tell."""


def run_watched(flow: Flow[Any, R], settings: object) -> R:
    """Run a flow; if there is a server, with heartbeats, and the tag that the automations look for.

    The run has the tag, its tasks have not, as a deployment's: for each tag of a task Prefect asks the server for a
    slot, and while the server is away that fails without another try.

    Args:
        flow: has one parameter, `settings`.
        settings: what it is given.

    Raises:
        PrefectAwayError: the server went away, and did not come back for a minute.
    """
    if get_current_settings().api.url is None:
        return flow(settings)
    given = {"settings": settings}
    run = _created(flow, given)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_SECONDS}):
        return cast(R, run_flow(flow, flow_run=run, parameters=given))


def _created(flow: Flow[Any, Any], given: dict[str, Any]) -> FlowRun:
    """A run on the server; asked for again only while the server was not reached, so that there is never a second."""
    client = get_client(sync_client=True)
    pauses = iter(PAUSES)
    while True:
        try:
            return client.create_flow_run(flow, parameters=flow.serialize_parameters(given), tags=[TAG])
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            pause = next(pauses, None)
            if pause is None:
                raise PrefectAwayError(
                    "the Prefect server went away before the run could begin", got=str(error), do="start it (make up)"
                ) from error
            time.sleep(pause)
