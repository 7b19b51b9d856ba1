"""A Prefect server for the flows, and settings that train in a second or two."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.retrain.settings import RetrainSettings
from flows.tracking.store import connect

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
        "promotion": {"first": "average"},  # eight epochs are not surely better than popularity
    }
    return RetrainSettings.model_validate(values | changes)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database, made once: that takes some seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> str:
    """The URI of an empty MLflow store of the test's own."""
    (tmp_path / "mlruns").mkdir()
    return f"sqlite:///{shutil.copy(empty_store, tmp_path / 'mlruns' / 'mlflow.db')}"
