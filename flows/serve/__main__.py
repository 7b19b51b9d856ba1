"""The HTTP service with the champion of an MLflow registry: `python -m flows.serve --help`."""

import os
import sys

from flows.cli.command import EXIT_USAGE, fail, run_command
from flows.serve.settings import ServeSettings, token_for
from ncf.errors import ConfigError


def run(settings: ServeSettings) -> int:
    """Serve until a signal comes. Returns the exit code.

    The service is imported late, so that --help and a refused option need not wait for it.
    """
    try:
        token = token_for(settings.host, os.environ)
    except ConfigError as error:
        return fail(str(error), EXIT_USAGE)
    from flows.serve.service import run_service

    run_service(settings, token)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(ServeSettings, run))
