"""Replay a log by time, and see what a schedule of retraining gains: `python -m flows.backtest --help`."""

import sys

from flows.backtest.flow import alone, backtest
from flows.backtest.report import BacktestReport
from flows.backtest.settings import BacktestSettings
from flows.cli.options import run_from_command_line

if __name__ == "__main__":
    sys.exit(run_from_command_line(backtest, BacktestSettings, sys.argv[1:], BacktestReport.show, lock=alone))
