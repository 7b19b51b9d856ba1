"""Flow runs that `down` ends: their processes, and what the Prefect server says of them afterwards."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from flows.up.leftovers import FLOW_RUN_VARIABLE, end, flow_runs
from flows.up.passwords import Passwords
from flows.up.settings import UpSettings

SECONDS = 10.0  # for one answer
UNFINISHED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
STATE = {"type": "CRASHED", "name": "Crashed", "message": "stopped by make down; run it again, and it goes on"}


def end_flow_runs(run_folder: Path) -> set[str]:
    """End the processes of flow runs. Returns the runs' ids."""
    processes = flow_runs(run_folder)
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            found.add(process.environ()[FLOW_RUN_VARIABLE])
    end(processes)
    return found


def report_stopped(settings: UpSettings, passwords: Passwords | None, ids: Iterable[str]) -> None:
    """Tell the Prefect server of runs that could not tell it themselves; else they would run for ever there."""
    auth = passwords.prefect if passwords else None
    for number in ids:
        url = f"{settings.prefect_url}/api/flow_runs/{number}"
        with suppress(requests.RequestException, KeyError):
            run = requests.get(url, auth=auth, timeout=SECONDS).json()
            if run["state_type"] in UNFINISHED:
                requests.post(f"{url}/set_state", json={"state": STATE, "force": True}, auth=auth, timeout=SECONDS)
