"""Write the champion's recommendations for many users: `python -m flows.recommend --help`."""

import sys

from flows.cli.command import run_command
from flows.recommend.settings import RecommendSettings


def run(settings: RecommendSettings) -> None:
    """Run the flow; imported late, so that --help and a refused option need not wait for it."""
    from flows.cli.flow_command import run_flow_command
    from flows.recommend.flow import Recommended, check, recommend

    run_flow_command(recommend, settings, check, Recommended.show, lock=settings.dataset)


if __name__ == "__main__":
    sys.exit(run_command(RecommendSettings, run))
