"""The champion's recommendations for many users: `python -m flows.recommend --help`."""

import sys

from flows.cli.options import run_from_command_line
from flows.recommend.flow import Recommended, recommend
from flows.recommend.settings import RecommendSettings

if __name__ == "__main__":
    sys.exit(run_from_command_line(recommend, RecommendSettings, sys.argv[1:], Recommended.show))
