"""Search the settings of one model or of all four: `python -m flows.tune --help`."""

import sys

from flows.cli.command import run_command
from flows.tune.settings import TuneSettings


def run(settings: TuneSettings) -> None:
    """Run the flow; imported late, so that --help and a refused option need not wait for it."""
    from flows.cli.flow_command import run_flow_command
    from flows.retrain.resolve_settings import check_training
    from flows.tune.flow import tune
    from flows.tune.report import TuneReport

    run_flow_command(tune, settings, check_training, TuneReport.show)  # without a lock: several share a study


if __name__ == "__main__":
    sys.exit(run_command(TuneSettings, run))
