"""Whom a Prefect server tells what happens: a webhook, as Slack, Mattermost and many others take them."""

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


def keep_url() -> None:
    """Put the URL of $NCF_NOTIFY_URL, where it is set, into the server's block, which keeps it encrypted.

    Raises:
        ConfigError: it is no URL.
    """
    url = os.environ.get(URL_VARIABLE)
    if not url:
        return
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"${URL_VARIABLE} is no URL of a webhook", allowed="http://... or https://...")
    block = Webhook(url=SecretStr(url), headers=SecretDict({"Content-Type": "application/json"}))
    block.save(BLOCK, overwrite=True, _sync=True)  # type: ignore[call-arg]  # what Prefect's decorator adds


def teller(client: SyncPrefectClient, text: str, subject: str) -> ActionTypes | None:
    """What tells somebody; None if no block ncf-notifications is there.

    Args:
        client: of the server.
        text: a template of Jinja's, as Prefect's automations have them: an expression whose value is the message.
        subject: for those that have one, such as e-mails.
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
