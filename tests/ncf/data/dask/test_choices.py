"""Every choice gives by Dask what it gives by pandas."""

from pathlib import Path

import pytest

from ncf.data.config import EngineConfig
from tests.ncf.data.dask.same import ROWS, SETTINGS, both, csv, log

pytestmark = pytest.mark.usefixtures("small_pieces")


LOOKED_AT = ("everything at once", "k-core")


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in LOOKED_AT])
def test_every_choice_gives_the_same(name: str, cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    both(csv(log(), tmp_path / "log.csv"), cluster, cache, SETTINGS[name])


def test_so_do_all_filters_at_once_of_which_each_leaves_out_something(
    cluster: EngineConfig, tmp_path: Path, cache: Path
) -> None:
    _, report = both(csv(log(), tmp_path / "log.csv"), cluster, cache, SETTINGS["everything at once"])
    assert report.rows_read == ROWS
    assert len(report.dropped) == 7


def test_so_does_a_k_core_of_several_rounds(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    _, report = both(csv(log(), tmp_path / "log.csv"), cluster, cache, SETTINGS["k-core"])
    assert any("6 rounds)" in reason for reason in report.dropped)
