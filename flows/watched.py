"""A command's flow run whose death the Prefect server notices, as it does with a deployment's."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import tags
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

from flows.deployed import TAG

HEARTBEAT_SECONDS = 30  # flows/automation_rules.py takes three missing ones for death


@contextmanager
def watched() -> Iterator[None]:
    """Give the flow runs of the block heartbeats, and the tag that the automations look for, if there is a server."""
    if get_current_settings().api.url is None:
        yield
        return
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_SECONDS}), tags(TAG):
        yield
