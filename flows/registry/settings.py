"""The settings of what is done with the registry by hand: by command, and by the deployments."""

from pydantic import Field
from pydantic_settings import CliSubCommand

from flows.cli.parse import Subcommands
from flows.prepare.settings import DatasetSettings

MAX_REASON = 1000


class LogSettings(DatasetSettings):
    """Show every change of the champion, the newest first."""


class RollbackSettings(LogSettings):
    """Put the previous champion back; done twice, it goes further back."""

    reason: str = Field(default="", max_length=MAX_REASON, description="why, for the promotion log")


class PromoteSettings(LogSettings):
    """Make a version champion by hand, without a comparison."""

    version: int = Field(ge=1, description="the version; the models' page in MLflow lists them")
    reason: str = Field(min_length=1, max_length=MAX_REASON, description="why, for the promotion log")
    force: bool = Field(default=False, description="even if it is not better than popularity, or was never compared")


class RegistrySettings(Subcommands):
    """The promotion log of a registered model, and changes of its champion by hand."""

    log: CliSubCommand[LogSettings]
    rollback: CliSubCommand[RollbackSettings]
    promote: CliSubCommand[PromoteSettings]
