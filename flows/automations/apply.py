"""Everything that happens by itself on the Prefect server. `python -m flows.automations`, after `prefect deploy`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.settings import get_current_settings

from flows.automations import rules
from flows.automations.notifications import keep_url
from flows.orchestration.deployments import Deployed, declared, deployed, remove_departed
from ncf.errors import ConfigError

Rule = Callable[[SyncPrefectClient, Sequence[Deployed]], list[AutomationCore]]

RULES: tuple[Rule, ...] = (  # the one list: from the server and our deployments on it to what should be there
    rules.crash_what_is_silent,
    rules.crash_what_never_begins,
    rules.recommend_after_promotion,
    rules.retrain_after_drift,
    rules.tell_of_failures,
    rules.tell_of_promotions,
)
PREFECT_YAML = Path(__file__).parents[2] / "prefect.yaml"
PAGE = 200


@dataclass(frozen=True)
class Done:
    """What was done, by name.

    Attributes:
        created, updated, removed, kept: automations.
        departed: deployments that were removed.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    departed: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """In words."""
        automations = [f"automation {name!r} {what}" for what in ("created", "updated", "removed", "kept")
                       for name in getattr(self, what)]  # fmt: skip
        return [*automations, *(f"deployment {name} removed: prefect.yaml has it no more" for name in self.departed)]


def make_automations(prefect_yaml: Path = PREFECT_YAML) -> Done:
    """Bring automations and deployments on the server of $PREFECT_API_URL in line with the code and prefect.yaml.

    Done again, it changes nothing. Ours are known by name (automations, "ncf: ...") and by tag (deployments, ncf): what
    else is on the server is left alone. Whoever switched one of ours off keeps it off.

    Args:
        prefect_yaml: the deployments that should be there; `prefect deploy --all` has put them there before.

    Raises:
        ConfigError: there is no server, it does not answer, or $NCF_NOTIFY_URL is no URL.
    """
    url = get_current_settings().api.url
    if url is None:
        raise ConfigError("automations need a Prefect server", do="start one, and set $PREFECT_API_URL")
    wanted_deployments = declared(prefect_yaml)
    try:
        with get_client(sync_client=True) as client:
            departed = remove_departed(client, wanted_deployments)
            keep_url()
            deployments = list(deployed(client))
            wanted = [automation for rule in RULES for automation in rule(client, deployments)]
            return _bring_in_line(client, wanted, tuple(departed))
    except httpx.TransportError as error:
        raise ConfigError(f"the Prefect server at {url} does not answer", got=str(error), do="start it") from error


def _bring_in_line(client: SyncPrefectClient, wanted: Sequence[AutomationCore], departed: tuple[str, ...]) -> Done:
    present = {each.name: each for each in ours(client)}
    created, updated, kept = [], [], []
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
            kept.append(automation.name)
    for left in present.values():
        client.delete_automation(left.id)
    return Done(tuple(created), tuple(updated), tuple(present), tuple(kept), departed)


def ours(client: SyncPrefectClient) -> list[Automation]:
    """Every automation on the server that this module made."""
    found: list[Automation] = []
    while page := client.read_automations(offset=len(found), limit=PAGE):
        found += page
        if len(page) < PAGE:
            break
    return [each for each in found if each.name.startswith(rules.PREFIX)]


def _content(automation: AutomationCore) -> dict[str, object]:
    """What decides whether two are the same: all but ids and the switch."""
    return AutomationCore.model_validate(automation.model_dump()).model_dump(exclude={"enabled", "owner_resource"})
