"""What is asked of the servers that should run."""

import pytest

from flows.up.programs import MLFLOW, PREFECT
from flows.up.settings import UpSettings
from flows.up.supervisor import Health, SupervisorError
from tests.e2e.processes import free_port


@pytest.mark.parametrize("name", [MLFLOW, PREFECT])
def test_a_server_that_ends_before_its_password_is_checked_is_named(name: str) -> None:
    settings = UpSettings.model_validate({"mlflow_port": free_port(), "prefect_port": free_port()})
    with pytest.raises(SupervisorError, match=f"the {name} server does not answer"):
        Health(settings, None).check_passwords(name)
