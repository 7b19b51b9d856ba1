"""Flow: make a version champion by hand, and log it. As a command: `python -m flows.registry promote --help`."""

from prefect import flow
from prefect.logging import get_run_logger

from flows.registry.command import open_registry, told
from flows.registry.promotion import promote_by_hand, somebody
from flows.registry.promotion import rollback as rollback_registry
from flows.registry.settings import PromoteSettings, RollbackSettings


@flow(name="promote", flow_run_name="promote {settings.dataset}")
def promote(settings: PromoteSettings) -> int | None:
    """Make a version champion by hand, and write it into the promotion log. Returns the champion's version."""
    entry = promote_by_hand(
        open_registry(settings.model_name), settings.version, somebody(), settings.reason, settings.force
    )
    get_run_logger().info(told(entry))
    return entry.after


@flow(name="rollback", flow_run_name="rollback {settings.dataset}")
def rollback(settings: RollbackSettings = RollbackSettings()) -> int | None:  # noqa: B008 (frozen, and Prefect shows it)
    """Put the previous champion back, and write it into the promotion log. Returns the champion's version."""
    entry = rollback_registry(open_registry(settings.model_name), somebody(), settings.reason)
    get_run_logger().info(told(entry))
    return entry.after
