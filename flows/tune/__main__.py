"""Search the settings of one model or of all four: `python -m flows.tune --help`."""

import sys
from contextlib import nullcontext

from flows.cli.options import run_from_command_line
from flows.tune.flow import tune
from flows.tune.report import TuneReport
from flows.tune.settings import TuneSettings

if __name__ == "__main__":
    sys.exit(run_from_command_line(tune, TuneSettings, sys.argv[1:], TuneReport.show, lock=nullcontext))
