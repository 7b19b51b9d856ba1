"""The command line: `python -m flows.backup backup --help`."""

import sys
from collections.abc import Sequence

from pydantic_settings import CliSubCommand

from flows.backup.copy import BackupSettings, Manifest, RestoreSettings, backup, restore
from flows.cli.subcommands import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, fail, parse
from ncf.config import Settings
from ncf.errors import NCFError


class Command(Settings):
    """Back up databases and files, and restore them."""

    backup: CliSubCommand[BackupSettings]
    restore: CliSubCommand[RestoreSettings]


def main(args: Sequence[str]) -> int:
    """Do what the command says. Returns the exit code."""
    try:
        settings = parse(Command, args)
    except NCFError as error:
        return fail(str(error), EXIT_USAGE)
    try:
        sys.stdout.write(f"{run(settings)}\n")
    except NCFError as error:
        return fail(str(error), EXIT_FAILED)
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror}", EXIT_FAILED)
    except KeyboardInterrupt:
        return fail("interrupted; nothing is left of it", EXIT_INTERRUPTED)
    return 0


def run(settings: Settings) -> str:
    """Do what the settings are for. Returns what to tell."""
    if isinstance(settings, BackupSettings):
        to = settings.to.expanduser().resolve()
        return f"{to} has the backup of {settings.home}: {_size(backup(settings.home, to))}."
    assert isinstance(settings, RestoreSettings)
    manifest = restore(settings.source.expanduser().resolve(), settings.home)
    return f"{settings.home} is as it was on {manifest.made:%Y-%m-%d %H:%M:%S} UTC: {_size(manifest)}."


def _size(manifest: Manifest) -> str:
    return f"{len(manifest.files)} files, {sum(manifest.files.values()) / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
