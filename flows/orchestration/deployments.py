"""Our deployments: those that prefect.yaml declares, and those on the Prefect server."""

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

TAG = "ncf"  # of every deployment of prefect.yaml and its flow runs; what has another tag or none is never touched
HEARTBEAT_SECONDS = 30  # of every flow run with the tag; after five that are missing it counts as dead
PAGE = 200


@dataclass(frozen=True)
class Deployed:
    """A deployment on the server.

    Attributes:
        id: the server's.
        name: flow and deployment, such as "retrain/ml-100k".
        dataset: in its parameters; empty if they have none.
    """

    id: UUID
    name: str
    dataset: str

    @property
    def flow(self) -> str:
        """Name of the flow."""
        return self.name.partition("/")[0]


def declared(file: Path) -> dict[str, str]:
    """Data set by name, such as "retrain/ml-100k", of every deployment of a prefect.yaml.

    The data set is empty if the deployment's parameters have none.

    Raises:
        ConfigError: the file is not there, or is no prefect.yaml.
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
    """Every deployment on the server that has our tag."""
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


def remove_undeclared(client: SyncPrefectClient, names: Container[str]) -> list[str]:
    """Remove our deployments that prefect.yaml no longer has. Returns their names."""
    removed = [each for each in deployed(client) if each.name not in names]
    for each in removed:
        client.delete_deployment(each.id)
    return sorted(each.name for each in removed)
