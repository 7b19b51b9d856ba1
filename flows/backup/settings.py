"""The settings of backups."""

from pathlib import Path

from pydantic import Field

from flows.up.settings import FolderSettings


class BackupSettings(FolderSettings):
    """Copy databases and files into a new folder; the servers may run, and trainings as well."""

    to: Path = Field(description="folder to make; it is there whole or not at all")


class RestoreSettings(FolderSettings):
    """Put a backup into a folder that has no databases yet, here or on another machine."""

    source: Path = Field(description="folder that a backup made")
