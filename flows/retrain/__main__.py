"""From a log to a registered champion and its recommendations: `python -m flows.retrain --help`."""

import sys

from flows.cli.options import run_from_command_line
from flows.retrain.flow import retrain
from flows.retrain.report import Report
from flows.retrain.settings import RetrainSettings

if __name__ == "__main__":
    sys.exit(run_from_command_line(retrain, RetrainSettings, sys.argv[1:], Report.show))
