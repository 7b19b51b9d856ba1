"""Train, compare, promote and recommend: `python -m flows.retrain --help`."""

import sys

from flows.cli.command import run_command
from flows.retrain.settings import RetrainSettings


def run(settings: RetrainSettings) -> None:
    """Run the flow; imported late, so that --help and a refused option need not wait for it."""
    from flows.cli.flow_command import run_flow_command
    from flows.retrain.flow import check, retrain
    from flows.retrain.report import Report

    run_flow_command(retrain, settings, check, Report.show, lock=settings.dataset)


if __name__ == "__main__":
    sys.exit(run_command(RetrainSettings, run))
