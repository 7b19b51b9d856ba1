"""Read a log, check it, and say what is in it: `python -m flows.prepare --help`."""

import sys

from flows.cli.options import run_from_command_line
from flows.prepare.flow import prepare, show
from flows.prepare.settings import DataSettings

if __name__ == "__main__":
    sys.exit(run_from_command_line(prepare, DataSettings, sys.argv[1:], show))
