"""Back up databases and files, and restore them: `python -m flows.backup backup --help`."""

import sys

from pydantic_settings import CliSubCommand

from flows.backup.copy import BackupSettings, Manifest, RestoreSettings, backup, restore
from flows.cli.command import Subcommands, run_command


class Command(Subcommands):
    """Back up databases and files, and restore them."""

    backup: CliSubCommand[BackupSettings]
    restore: CliSubCommand[RestoreSettings]


def run(settings: BackupSettings | RestoreSettings) -> None:
    """Run the subcommand and print what it did."""
    if isinstance(settings, BackupSettings):
        target = settings.to.expanduser().resolve()
        summary = f"{target} has the backup of {settings.home}: {_size(backup(settings.home, target))}."
    else:
        manifest = restore(settings.source.expanduser().resolve(), settings.home)
        summary = f"{settings.home} is as it was on {manifest.made:%Y-%m-%d %H:%M:%S} UTC: {_size(manifest)}."
    sys.stdout.write(f"{summary}\n")


def _size(manifest: Manifest) -> str:
    return f"{len(manifest.files)} files, {sum(manifest.files.values()) / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(run_command(Command, run, interrupted="nothing was written"))
