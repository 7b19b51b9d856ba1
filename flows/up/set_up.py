"""Set a Prefect server up, once and after each change of prefect.yaml: `python -m flows.up.set_up`.

It uses the server of $PREFECT_API_URL, whoever started it. Run it in the checkout; $NCF_HOME is the folder of the
checkout on the workers' machines.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.automations.apply import make_automations
from flows.cli.command import run_command
from flows.orchestration.deployments import declared
from flows.up.programs import POOL
from flows.up.supervisor import SupervisorError
from ncf.config import Settings

DEPLOYMENTS = Path("prefect.yaml")


class SetUpSettings(Settings):
    """Create or update work pool, locks, deployments and automations on the Prefect server of $PREFECT_API_URL."""


def run(settings: SetUpSettings) -> None:
    """Set the server up.

    Raises:
        SupervisorError: the server refuses the deployments.
    """
    with get_client(sync_client=True) as client:
        make_work_pool(client)
        make_locks(client)
        deploy()
    make_automations(DEPLOYMENTS)


def make_work_pool(client: SyncPrefectClient) -> None:
    """Create the pool of workers that run flows as processes; an existing pool of any type stays as it is."""
    template = ProcessWorker.get_default_base_job_template()
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template))


def make_locks(client: SyncPrefectClient) -> None:
    """Create the global limits under which champions change, one for each data set of prefect.yaml."""
    for dataset in sorted(set(declared(DEPLOYMENTS).values()) - {""}):
        client.upsert_global_concurrency_limit_by_name(f"ncf-registry-ncf-{dataset}", 1)


def deploy() -> None:
    """Put every deployment of prefect.yaml on the server; an existing one gets the new entrypoint and settings."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SupervisorError("prefect deploy --all failed", got=(done.stdout + done.stderr).strip()[-1500:])


if __name__ == "__main__":
    sys.exit(run_command(SetUpSettings, run))
