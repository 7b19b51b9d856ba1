"""Bring automations and deployments on the Prefect server in line with the code and prefect.yaml."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.settings import get_current_settings

from flows.automations import rules
from flows.orchestration.deployments import Deployed, declared, deployed, remove_undeclared
from ncf.errors import ConfigError

Rule = Callable[[SyncPrefectClient, Sequence[Deployed]], list[AutomationCore]]

RULES: tuple[Rule, ...] = (  # from the server and our deployments on it to the automations that should be there
    rules.crash_what_is_silent,
    rules.crash_what_never_begins,
    rules.recommend_after_promotion,
    rules.retrain_after_drift,
    rules.notify_of_failures,
    rules.notify_of_promotions,
)
PREFECT_YAML = Path(__file__).parents[2] / "prefect.yaml"
PAGE = 200


@dataclass(frozen=True)
class Changes:
    """Names of the automations that were created, updated, removed or unchanged, and of removed deployments."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed_deployments: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One line of text each."""
        changes = ("created", "updated", "removed", "unchanged")
        return [
            *(f"automation {name!r} {change}" for change in changes for name in getattr(self, change)),
            *(f"deployment {name} removed: it is no longer in prefect.yaml" for name in self.removed_deployments),
        ]


def make_automations(prefect_yaml: Path = PREFECT_YAML) -> Changes:
    """Create, update and remove automations, and remove deployments that prefect.yaml no longer has.

    A second call changes nothing. Our automations have names that begin with "ncf: ", our deployments the tag ncf;
    others are left alone. An automation that was switched off stays off. `prefect deploy --all` has put the
    deployments of prefect.yaml on the server before.

    Raises:
        ConfigError: there is no server, it does not answer, or $NCF_NOTIFY_URL is not a URL.
    """
    url = get_current_settings().api.url
    if url is None:
        raise ConfigError("automations need a Prefect server", do="start one, and set $PREFECT_API_URL")
    names = declared(prefect_yaml)
    try:
        with get_client(sync_client=True) as client:
            removed_deployments = remove_undeclared(client, names)
            rules.store_url()
            deployments = list(deployed(client))
            wanted = [automation for rule in RULES for automation in rule(client, deployments)]
            return _apply(client, wanted, tuple(removed_deployments))
    except httpx.TransportError as error:
        raise ConfigError(f"the Prefect server at {url} does not answer", got=str(error), do="start it") from error


def _apply(
    client: SyncPrefectClient, wanted: Sequence[AutomationCore], removed_deployments: tuple[str, ...]
) -> Changes:
    present = {each.name: each for each in ours(client)}
    created, updated, unchanged = [], [], []
    for automation in wanted:
        found = present.pop(automation.name, None)
        if found is None:
            client.create_automation(automation)
            created.append(automation.name)
        elif _content(found) != _content(automation):
            whole = automation.model_dump(exclude={"owner_resource"})  # all, for an update sends only what was set
            whole |= {"enabled": found.enabled}
            client.update_automation(found.id, AutomationCore.model_validate(whole))
            updated.append(automation.name)
        else:
            unchanged.append(automation.name)
    for left in present.values():
        client.delete_automation(left.id)
    return Changes(tuple(created), tuple(updated), tuple(present), tuple(unchanged), removed_deployments)


def ours(client: SyncPrefectClient) -> list[Automation]:
    """Every automation on the server whose name has our prefix."""
    found: list[Automation] = []
    while page := client.read_automations(offset=len(found), limit=PAGE):
        found += page
    return [each for each in found if each.name.startswith(rules.PREFIX)]


def _content(automation: AutomationCore) -> dict[str, object]:
    """Everything but ids and the switch, to compare two automations."""
    return AutomationCore.model_validate(automation.model_dump()).model_dump(exclude={"enabled", "owner_resource"})
