"""Flow: put the previous champion back, and log it. As a command: `python -m flows.registry rollback --help`."""

from prefect import flow
from prefect.logging import get_run_logger

from flows.promotion import rollback as rollback_registry
from flows.promotion import somebody
from flows.registry_command import open_registry, told
from flows.registry_settings import RollbackSettings


@flow(name="rollback", flow_run_name="rollback {settings.dataset}")
def rollback(settings: RollbackSettings = RollbackSettings()) -> int | None:  # noqa: B008 (frozen, and Prefect shows it)
    """Put the previous champion back, and write it into the promotion log. Returns the champion's version."""
    entry = rollback_registry(open_registry(settings.model_name), somebody(), settings.reason)
    get_run_logger().info(told(entry))
    return entry.after
