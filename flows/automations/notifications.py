"""Notifications by the Prefect server: a webhook as Slack and Mattermost accept it, or one of Prefect's notifiers."""

import os
from urllib.parse import urlsplit
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import ActionTypes, CallWebhook, SendNotification
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from ncf.errors import ConfigError

URL_VARIABLE = "NCF_NOTIFY_URL"
BLOCK = "ncf-notifications"
NOTIFIERS = ("slack-webhook", "mattermost-webhook", "discord-webhook", "ms-teams-webhook", "sendgrid-email")


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


def notification(client: SyncPrefectClient, text: str, subject: str) -> ActionTypes | None:
    """The action that sends a notification; None if there is no block ncf-notifications.

    Args:
        client: of the server.
        text: a Jinja expression whose value is the message, as in Prefect's automations.
        subject: of messages that have one, such as e-mails.
    """
    webhook = _block(client, "webhook")
    if webhook is not None:  # {"text": ...} is what Slack's and Mattermost's incoming webhooks take
        return CallWebhook(block_document_id=webhook, payload='{"text": {{ (' + text + ") | tojson }}}")
    for kind in NOTIFIERS:
        notifier = _block(client, kind)
        if notifier is not None:
            return SendNotification(block_document_id=notifier, subject=subject, body="{{ " + text + " }}")
    return None


def _block(client: SyncPrefectClient, kind: str) -> UUID | None:
    try:
        return client.read_block_document_by_name(BLOCK, kind).id
    except ObjectNotFound:
        return None
