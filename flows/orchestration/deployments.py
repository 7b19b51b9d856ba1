"""Deployments: those of prefect.yaml, and those of ours on the Prefect server."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.flows import load_flow_arguments_from_entrypoint

from ncf.errors import ConfigError

TAG = "ncf"  # of every deployment of prefect.yaml, and with it of their flow runs; nothing without it is touched
HEARTBEAT_SECONDS = 30  # of every flow run with the tag; after five that are missing it counts as dead
PAGE = 200


@dataclass(frozen=True)
class Deployed:
    """A deployment on the server.

    Attributes:
        id: the server's.
        name: flow and deployment, such as "retrain/ml-100k".
        dataset: of its parameters; empty if they name none.
    """

    id: UUID
    name: str
    dataset: str

    @property
    def flow(self) -> str:
        """Name of the flow."""
        return self.name.partition("/")[0]


def declared(file: Path) -> dict[str, str]:
    """The data set of every deployment of a prefect.yaml, by flow and name such as "retrain/ml-100k"; empty if none.

    Raises:
        ConfigError: the file is not there, or is none.
    """
    try:
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))["deployments"]
        return {
            f"{_flow_name(file.parent, each['entrypoint'])}/{each['name']}": _dataset(each.get("parameters"))
            for each in listed
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{file} can't be read", got=str(error)[:300], do="run in the checkout") from error


def _flow_name(folder: Path, entrypoint: str) -> str:
    return str(load_flow_arguments_from_entrypoint(f"{folder / entrypoint}", {"name"})["name"])


def deployed(client: SyncPrefectClient) -> Iterator[Deployed]:
    """Every deployment with our tag on the server."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    flows: dict[UUID, str] = {}
    offset = 0
    while page := client.read_deployments(deployment_filter=ours, limit=PAGE, offset=offset):
        for each in page:
            if each.flow_id not in flows:
                flows[each.flow_id] = client.read_flow(each.flow_id).name
            yield Deployed(each.id, f"{flows[each.flow_id]}/{each.name}", _dataset(each.parameters))
        offset += len(page)


def _dataset(parameters: dict[str, Any] | None) -> str:
    settings = (parameters or {}).get("settings")
    return str(settings.get("dataset", "")) if isinstance(settings, dict) else ""


def remove_departed(client: SyncPrefectClient, wanted: Container[str]) -> list[str]:
    """Remove the deployments of ours that are not wanted any more. Returns flow and name of each."""
    departed = [each for each in deployed(client) if each.name not in wanted]
    for each in departed:
        client.delete_deployment(each.id)
    return sorted(each.name for each in departed)
