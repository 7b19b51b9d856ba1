from collections.abc import Iterator
from pathlib import Path

import pytest

from ncf.data.config import EngineConfig
from ncf.data.dask.cluster import open_workers


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConfig]:
    """Two worker processes that every test may use."""
    folder = tmp_path_factory.mktemp("workers")
    with open_workers(EngineConfig(kind="dask", workers=2, worker_memory_mb=600), folder) as workers:
        yield EngineConfig(kind="dask", address=workers.address)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces and groups of a few rows, so that users lie in several pieces."""
    monkeypatch.setattr("ncf.data.dask.prepare.FEWEST_ROWS", 37)
    monkeypatch.setattr("ncf.data.dask.prepare.MOST_ROWS", 37)
    monkeypatch.setattr("ncf.data.dask.ids.AT_LEAST", 50)
    monkeypatch.setattr("ncf.data.dask.ids.BATCH", 7)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
