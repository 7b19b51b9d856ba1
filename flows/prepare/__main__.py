"""Read a log, check it, and report what is in it: `python -m flows.prepare --help`."""

import sys

from flows.cli.command import run_command
from flows.prepare.settings import DataSettings


def run(settings: DataSettings) -> None:
    """Run the flow; imported late, so that --help and a refused option need not wait for it."""
    from flows.cli.flow_command import run_flow_command
    from flows.prepare.flow import check, prepare, show

    run_flow_command(prepare, settings, check, lambda _, console: show(settings, console), lock=settings.dataset)


if __name__ == "__main__":
    sys.exit(run_command(DataSettings, run))
