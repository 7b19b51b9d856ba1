import os
import socket
from pathlib import Path

import pytest

from flows.up.processes import check_ports
from flows.up.settings import UpSettings
from ncf.errors import ConfigError
from tests.e2e.processes import free_port


def test_a_taken_port_is_refused_with_the_process_that_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            check_ports(UpSettings(folder=tmp_path, mlflow_port=port, prefect_port=free_port()))
    for words in (str(port), f"process {os.getpid()}", "--mlflow-port"):
        assert words in str(error.value)


def test_free_ports_are_taken(tmp_path: Path) -> None:
    check_ports(UpSettings(folder=tmp_path, mlflow_port=free_port(), prefect_port=free_port()))
