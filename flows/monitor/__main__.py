"""What has changed in a log since the champion was trained on it: `python -m flows.monitor --help`."""

import sys

from flows.cli.options import run_from_command_line
from flows.monitor.flow import monitor, one_monitor_at_a_time
from flows.monitor.report import MonitorReport
from flows.monitor.settings import MonitorSettings

if __name__ == "__main__":
    sys.exit(
        run_from_command_line(monitor, MonitorSettings, sys.argv[1:], MonitorReport.show, lock=one_monitor_at_a_time)
    )
