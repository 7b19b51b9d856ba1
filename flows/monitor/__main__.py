"""Report what has changed in a log since the champion was trained on it: `python -m flows.monitor --help`."""

import sys

from flows.cli.command import run_command
from flows.monitor.settings import MonitorSettings


def run(settings: MonitorSettings) -> None:
    """Run the flow; imported late, so that --help and a refused option need not wait for it."""
    from flows.cli.flow_command import run_flow_command
    from flows.monitor.flow import check, monitor
    from flows.monitor.report import MonitorReport

    lock = f"{settings.dataset}-monitor"  # a monitor may run during a retraining
    run_flow_command(monitor, settings, check, MonitorReport.show, lock)


if __name__ == "__main__":
    sys.exit(run_command(MonitorSettings, run))
