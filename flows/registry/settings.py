"""The settings of changes of the registry by hand, for the command and the deployments."""

from pydantic import Field
from pydantic_settings import CliSubCommand

from flows.cli.command import Subcommands
from flows.prepare.settings import DatasetSettings

MAX_REASON = 1000


class LogSettings(DatasetSettings):
    """Show every change of the champion, the newest first."""


class RollbackSettings(LogSettings):
    """Restore the previous champion; a second rollback goes further back."""

    reason: str = Field(default="", max_length=MAX_REASON, description="reason for the promotion log")


class PromoteSettings(LogSettings):
    """Make a version champion by hand, without a comparison."""

    version: int = Field(ge=1, description="the version; MLflow's page of the registered model lists them")
    reason: str = Field(min_length=1, max_length=MAX_REASON, description="reason for the promotion log")
    force: bool = Field(
        default=False, description="promote even if it is not better than popularity, or was never compared"
    )


class RegistrySettings(Subcommands):
    """The promotion log of a registered model, and changes of its champion by hand."""

    log: CliSubCommand[LogSettings]
    rollback: CliSubCommand[RollbackSettings]
    promote: CliSubCommand[PromoteSettings]
