"""A command whose Prefect server is not there."""

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.cli import PrefectAwayError, start_prefect
from tests.e2e.processes import free_port


def test_a_server_that_does_not_answer_is_named_before_any_work() -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    there = {PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(there), pytest.raises(PrefectAwayError, match=rf"does not answer.*{url}.*make up"):
        start_prefect()
