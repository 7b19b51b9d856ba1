"""The promotion log, and promotions by hand: `python -m flows.registry log | rollback | promote`."""

import sys

from flows.cli.command import run_command
from flows.registry.settings import LogSettings, RegistrySettings


def run(settings: LogSettings) -> None:
    """Run the subcommand and print what it did; MLflow is imported late."""
    from flows.registry.flow import execute, open_registry

    for line in execute(settings, open_registry(settings.model_name)):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(run_command(RegistrySettings, run))
