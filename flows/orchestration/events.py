"""Our events on the Prefect server, which the automations of flows/automations wait for."""

import logging
from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event
from prefect.settings import get_current_settings

PROMOTED, DRIFTED, FAULTY = "ncf.promoted", "ncf.data-drifted", "ncf.log-fault"
NEWER_LOG = "ncf.newer-log"  # the champion stays, and serves from a newer log
log = logging.getLogger(__name__)


def dataset_resource(dataset: str) -> str:
    """The id under which events name a data set."""
    return f"ncf.dataset.{dataset}"


def version_resource(model_name: str, version: int) -> str:
    """The id under which events name a version of a registered model."""
    return f"ncf.model-version.{model_name}.{version}"


def emit(
    event: str, dataset: str, related: Mapping[str, str] | None = None, payload: Mapping[str, Any] | None = None
) -> None:
    """Send an event about a data set to the Prefect server; never fails.

    Without a server that stays, nothing is sent: the embedded server ends with the run, and nothing listens there.

    Args:
        event: its name, such as "ncf.promoted".
        dataset: the data set's name.
        related: ids of further resources by role, such as model-version.
        payload: JSON values.
    """
    if get_current_settings().api.url is None:
        return
    try:
        emit_event(
            event,
            resource={"prefect.resource.id": dataset_resource(dataset), "prefect.resource.name": dataset},
            related=[
                {"prefect.resource.id": resource, "prefect.resource.role": role}
                for role, resource in (related or {}).items()
            ],
            payload=dict(payload or {}),
        )
    except Exception as error:  # what the event reports has happened all the same
        log.warning("the event %s could not be sent to Prefect: %s", event, error)
