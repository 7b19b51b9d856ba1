"""Shared by all tests: quiet tools, one thread, and MovieLens-100K fetched once."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from ncf.files import CACHE_VARIABLE, cache_dir
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import load_ratings
from tests.postgres import Postgres, running_postgres

os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"}
torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def movielens() -> Path:
    """The user's own cache with MovieLens-100K in it, downloaded if it is not there yet."""
    load_ratings(MovieLensSource())
    return cache_dir()


@pytest.fixture(scope="module")
def workspace(movielens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder to work in, with a cache of its own that has MovieLens-100K."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in ("movielens", "native"):  # compiled steps, if a test has compiled them already
        if (movielens / name).exists():
            half_written = shutil.ignore_patterns(".*")  # by another process of the tests
            shutil.copytree(movielens / name, folder / "cache" / name, ignore=half_written)
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        os.chdir(folder)
        yield folder
        os.chdir(before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; tests that want one are skipped where it is not installed."""
    with running_postgres() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", default="", help="write the page of the faults that were survived to this file")
    parser.addoption("--soak", default="8", help="retrainings of the soak; make soak makes 50")
    parser.addoption("--nights", default="3", help="nights of a log that grows; make soak has 30")
