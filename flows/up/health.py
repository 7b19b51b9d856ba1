"""Health checks of the servers and the worker, and of their passwords."""

from dataclasses import dataclass

import requests

from flows.up.passwords import MLFLOW_PASSWORD, Passwords
from flows.up.passwords import PREFECT as PREFECT_PASSWORD
from flows.up.programs import MLFLOW, POOL, PREFECT, WORKER, worker_name
from flows.up.settings import UpSettings
from flows.up.supervisor import SupervisorError
from ncf.errors import ConfigError

SECONDS = 10.0  # for one answer


@dataclass(frozen=True)
class Health:
    """Health checks of the servers that run with these settings and passwords."""

    settings: UpSettings
    passwords: Passwords | None

    def check(self, name: str) -> bool:
        """Whether a program is healthy: a server and its database answer, the worker takes flow runs."""
        urls = {MLFLOW: f"{self.settings.mlflow_url}/health", PREFECT: f"{self.settings.prefect_url}/api/ready"}
        try:
            return self._worker_is_online() if name == WORKER else requests.get(urls[name], timeout=SECONDS).ok
        except (requests.RequestException, ValueError):
            return False

    def check_passwords(self, name: str) -> None:
        """Check that a server requires a password if and only if there is one, and accepts it.

        Raises:
            ConfigError: it does not.
            SupervisorError: it does not answer.
        """
        auth, variable = self._account(name)
        open_to_all = self._lets_in(name, None)
        if open_to_all != (auth is None):
            raise ConfigError(
                f"the {name} server runs {'without' if open_to_all else 'with'} a password; ${variable} is "
                f"{'not ' if auth is None else ''}set",
                do="set the variables as they were when it was started, or restart it: make down, then make up",
            )
        if auth is not None and not self._lets_in(name, auth):
            raise ConfigError(
                f"the {name} server has another password than ${variable}",
                do="docs/operations.md#passwords says how to change it"
                if name == MLFLOW
                else "set the password that it was started with, or restart it: make down, then make up",
            )

    def _account(self, name: str) -> tuple[tuple[str, str] | None, str]:
        if name == PREFECT:
            return (self.passwords.prefect if self.passwords else None), PREFECT_PASSWORD
        return (self.passwords.mlflow if self.passwords else None), MLFLOW_PASSWORD

    def _lets_in(self, name: str, auth: tuple[str, str] | None) -> bool:
        protected = {
            MLFLOW: f"{self.settings.mlflow_url}/api/2.0/mlflow/experiments/get?experiment_id=0",
            PREFECT: f"{self.settings.prefect_url}/api/admin/version",
        }
        try:
            return requests.get(protected[name], auth=auth, timeout=SECONDS).ok
        except requests.RequestException as error:
            raise SupervisorError(
                f"the {name} server does not answer",
                got=str(error)[:300],
                do="run the same command again",
            ) from error

    def _worker_is_online(self) -> bool:
        url = f"{self.settings.prefect_url}/api/work_pools/{POOL}/workers/filter"
        answer = requests.post(url, json={}, auth=self._account(PREFECT)[0], timeout=SECONDS)
        answer.raise_for_status()
        return any(worker["name"] == worker_name() and worker["status"] == "ONLINE" for worker in answer.json())
