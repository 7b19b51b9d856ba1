"""Optuna's dashboard on the studies, for `make optuna`: on this machine alone, the password not on the command line."""

import sys
from contextlib import suppress
from pathlib import Path

from flows.cli.command import fail
from flows.cli.next_command import command_line
from flows.tune.settings import TuneSettings
from flows.tune.studies import study_url
from ncf.errors import ConfigError, NCFError
from ncf.ingest.config import parse_url
from ncf.ingest.database import with_installed_driver

HOST = "127.0.0.1"


def main(port: int) -> int:
    """Serve until Ctrl-C. Returns the exit code."""
    try:
        url = database_of_studies()
    except NCFError as error:
        return fail(str(error))
    from optuna_dashboard import run_server  # late: it is of the extra dev

    with suppress(KeyboardInterrupt):
        run_server(url, host=HOST, port=port)
    return 0


def database_of_studies() -> str:
    """The URL of the database that a tuning without settings uses.

    Raises:
        ConfigError: it is a file, and that is not there.
    """
    url = with_installed_driver(parse_url(study_url(TuneSettings())))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise ConfigError("there are no studies yet", got=url.database, do=command_line("tune"))
    return url.render_as_string(hide_password=False)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
