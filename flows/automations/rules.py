"""The automations as data; flows/automations/apply.py puts them on the Prefect server.

Notifications go to a block of the server: a webhook as Slack and Mattermost accept it, or one of Prefect's notifiers.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.orchestration.deployments import HEARTBEAT_SECONDS, TAG, Deployed
from flows.orchestration.tasks import DRIFTED, NEWER_LOG, PROMOTED, dataset_resource
from ncf.errors import ConfigError

PREFIX = "ncf: "  # of the names of our automations; others are left alone
SILENCE = timedelta(seconds=5 * HEARTBEAT_SECONDS)  # five heartbeats: a busy server loses two or three
START = timedelta(minutes=5)  # a worker begins a run within seconds, on a busy machine within minutes
ANY_RUN = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
OURS = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})
URL_VARIABLE = "NCF_NOTIFY_URL"
BLOCK = "ncf-notifications"
NOTIFIERS = ("slack-webhook", "mattermost-webhook", "discord-webhook", "ms-teams-webhook", "sendgrid-email")


def crash_what_is_silent(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Marks a run as Crashed when its heartbeats stop: its process or machine has died, and could not report it."""
    return [
        _crash(
            "crash what is silent",
            f"A flow run without a heartbeat for {SILENCE.seconds} seconds is Crashed. Only runs with "
            f"the tag {TAG}, which send one every {HEARTBEAT_SECONDS} seconds.",
            after="prefect.flow-run.heartbeat",
            within=SILENCE,
            message=f"No heartbeat for {SILENCE.seconds} seconds: its process, worker or machine is gone. The "
            "next run continues from what was finished.",
        )
    ]


def crash_what_never_begins(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Marks a run as Crashed that stays Pending: its worker died after taking it, before the first heartbeat."""
    return [
        _crash(
            "crash what never begins",
            f"A flow run that a worker took and did not begin in {START.seconds // 60} minutes is Crashed.",
            after="prefect.flow-run.Pending",
            within=START,
            message=f"Its worker did not begin it within {START.seconds // 60} minutes, and is gone.",
        )
    ]


def recommend_after_promotion(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Starts the recommend deployment of a data set when it has a new champion, or the old one has a newer log."""
    return [
        AutomationCore(
            name=f"{PREFIX}{each.name} after a promotion",
            description=f"A new champion of {each.dataset}, by a retraining, a rollback or by hand, runs {each.name}, "
            "and so does a newer log when the champion stays.",
            trigger=_at_event({PROMOTED, NEWER_LOG}, each.dataset),
            actions=[RunDeployment(deployment_id=each.id)],
        )
        for each in deployments
        if each.flow == "recommend" and each.dataset
    ]


def retrain_after_drift(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Starts one retraining of a data set when the monitor finds changes of its data beyond the thresholds."""
    return [
        AutomationCore(
            name=f"{PREFIX}{each.name} after drift",
            description=f"When monitor/{each.dataset} finds that the data have changed beyond its thresholds.",
            trigger=_at_event({DRIFTED}, each.dataset),
            actions=[RunDeployment(deployment_id=each.id)],
        )
        for each in deployments
        if each.flow == "retrain" and each.dataset
    ]


def notify_of_failures(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Notifies the block ncf-notifications, if there is one, of runs that failed, crashed or timed out."""
    text = (
        "flow_run.name ~ ' (' ~ flow.name ~ ') is ' ~ flow_run.state.name ~ ': ' ~ (flow_run.state.message or '')"
        " ~ ' ' ~ ((flow_run | ui_url) or '')"  # empty if the server does not know its own address
    )
    ends = {f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")}
    return [
        AutomationCore(
            name=f"{PREFIX}tell of failures",
            description="Notifies of each flow run of ours that failed, crashed or timed out.",
            trigger=EventTrigger(match=ANY_RUN, match_related=OURS, expect=ends, posture=Posture.Reactive),
            actions=[action],
        )
        for action in notifications(client, text, "A run failed or crashed")
    ]


def notify_of_promotions(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Notifies the block ncf-notifications, if there is one, of every new champion."""
    return [
        AutomationCore(
            name=f"{PREFIX}tell of promotions",
            description="Notifies of each new champion of any data set, with the reason.",
            trigger=_at_event({PROMOTED}, "*"),
            actions=[action],
        )
        for action in notifications(client, "event.payload.text", "A new champion")
    ]


def _crash(name: str, description: str, after: str, within: timedelta, message: str) -> AutomationCore:
    """Marks a run of ours as Crashed that sends no event in so long a time after an event."""
    trigger = EventTrigger(
        match=ANY_RUN,
        match_related=OURS,
        after={after},
        expect={"prefect.flow-run.*"},  # the next heartbeat, or the end, whatever the state's name
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        within=within,
    )
    action = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    return AutomationCore(name=f"{PREFIX}{name}", description=description, trigger=trigger, actions=[action])


def _at_event(events: set[str], dataset: str) -> EventTrigger:
    """At each event of these names about a data set; "*" is any."""
    resource = ResourceSpecification({"prefect.resource.id": dataset_resource(dataset)})
    return EventTrigger(match=resource, expect=events, posture=Posture.Reactive)


def store_url() -> None:
    """Store the URL of $NCF_NOTIFY_URL, if it is set, in the server's block, encrypted.

    Raises:
        ConfigError: it is not a URL.
    """
    url = os.environ.get(URL_VARIABLE)
    if not url:
        return
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"${URL_VARIABLE} is not the URL of a webhook", allowed="http://... or https://...")
    block = Webhook(url=SecretStr(url), headers=SecretDict({"Content-Type": "application/json"}))
    block.save(BLOCK, overwrite=True, _sync=True)  # type: ignore[call-arg]  # what Prefect's decorator adds


def notifications(client: SyncPrefectClient, text: str, subject: str) -> list[ActionTypes]:
    """The action that sends a notification; none if there is no block ncf-notifications.

    Args:
        client: of the server.
        text: a Jinja expression whose value is the message, as in Prefect's automations.
        subject: of messages that have one, such as e-mails.
    """
    webhook = _block(client, "webhook")
    if webhook is not None:  # {"text": ...} is what Slack's and Mattermost's incoming webhooks take
        return [CallWebhook(block_document_id=webhook, payload='{"text": {{ (' + text + ") | tojson }}}")]
    for kind in NOTIFIERS:
        notifier = _block(client, kind)
        if notifier is not None:
            return [SendNotification(block_document_id=notifier, subject=subject, body="{{ " + text + " }}")]
    return []


def _block(client: SyncPrefectClient, kind: str) -> UUID | None:
    try:
        return client.read_block_document_by_name(BLOCK, kind).id
    except ObjectNotFound:
        return None
