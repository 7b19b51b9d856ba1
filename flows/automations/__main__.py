"""Create the automations on the Prefect server, after `prefect deploy`: `python -m flows.automations`."""

import sys

from flows.cli.command import run_command
from ncf.config import Settings


class AutomationSettings(Settings):
    """Create or update the automations on the Prefect server of $PREFECT_API_URL."""


def run(settings: AutomationSettings) -> None:
    """Print what was changed."""
    from flows.automations.apply import make_automations

    sys.stdout.write("".join(f"{line}\n" for line in make_automations().lines()))


if __name__ == "__main__":
    sys.exit(run_command(AutomationSettings, run))
