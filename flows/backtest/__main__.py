"""Replay a log by time, and compare schedules of retraining: `python -m flows.backtest --help`."""

import sys

from flows.backtest.settings import BacktestSettings
from flows.cli.command import run_command


def run(settings: BacktestSettings) -> None:
    """Run the flow; imported late, so that --help and a refused option need not wait for it."""
    from flows.backtest.flow import backtest
    from flows.backtest.report import BacktestReport
    from flows.cli.flow_command import run_flow_command
    from flows.retrain.resolve_settings import check_training

    lock = f"{settings.dataset}-backtest"  # a backtest may run during a retraining
    run_flow_command(backtest, settings, check_training, BacktestReport.show, lock)


if __name__ == "__main__":
    sys.exit(run_command(BacktestSettings, run))
