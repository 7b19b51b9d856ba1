"""Events of ours on the Prefect server; the automations of flows/automations/apply.py wait for them."""

import logging
from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event
from prefect.settings import get_current_settings

PROMOTED, DRIFTED, FAULTY = "ncf.promoted", "ncf.data-drifted", "ncf.log-fault"
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
    """Tell the Prefect server that something happened to a data set; never fails, and does nothing without a server.

    Without a server of its own a run has the embedded one, which ends with it: nobody would hear the event there.

    Args:
        event: its name, such as "ncf.promoted".
        dataset: the data set's name.
        related: further resources, id by role; a model version's id has the role model-version.
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
    except Exception as error:  # what happened has happened: nobody is helped if telling it undoes it
        log.warning("Prefect was not told of %s: %s", event, error)
