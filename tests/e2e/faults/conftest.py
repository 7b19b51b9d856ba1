"""One cluster for all faults, and the table of what happened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.faults.cluster import Cluster, running_cluster
from tests.e2e.faults.reliability import Reliability

STAGES = ("alpha", "beta")  # each is retrained, and killed, at the same time
DATASETS = (*STAGES, "zeta", "eta", "theta", "iota", "kappa", "servers", "disk", "clock", "daily", "soak")


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), DATASETS) as made:
        yield made


@pytest.fixture(scope="session")
def reliability(request: pytest.FixtureRequest) -> Iterator[Reliability]:
    """Takes what each fault did; written as a page if --reliability names one."""
    made = Reliability()
    yield made
    path = request.config.getoption("--reliability")
    if path:
        made.write(Path(path))
