"""A Prefect server for the flows, and settings that train in a second or two."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.settings import RetrainSettings

SHORT: dict[str, Any] = {"max_epochs": 8, "learning_rate": 0.01, "batch_size": 2048}


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


def quick(**changes: Any) -> RetrainSettings:
    """MovieLens-100K cut to 500 users, and eight epochs a model."""
    values: dict[str, Any] = {
        "data": {"filters": {"max_users": 500}},
        "gmf": {"model": {"embedding_dim": 16}, "training": SHORT},
        "mlp": {"model": {"layers": [16, 8]}, "training": SHORT},
        "neumf": {"model": {"embedding_dim": 16, "layers": [16, 8]}, "training": SHORT},
        "neumf_pretrained": {"training": SHORT},
    }
    return RetrainSettings.model_validate(values | changes)
