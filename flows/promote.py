"""Flow: make a version champion by hand, and log it. As a command: `python -m flows.registry promote --help`."""

from prefect import flow
from prefect.logging import get_run_logger

from flows.promotion import promote_by_hand, somebody
from flows.registry_command import open_registry, told
from flows.registry_settings import PromoteSettings


@flow(name="promote", flow_run_name="promote {settings.dataset}")
def promote(settings: PromoteSettings) -> int | None:
    """Make a version champion by hand, and write it into the promotion log. Returns the champion's version."""
    entry = promote_by_hand(
        open_registry(settings.model_name), settings.version, somebody(), settings.reason, settings.force
    )
    get_run_logger().info(told(entry))
    return entry.after
