"""Every choice gives by Dask what it gives by pandas."""

from pathlib import Path
from typing import Any

import pytest

from ncf.data.config import EngineConfig
from tests.ncf.data.dask.same import ROWS, SETTINGS, both, csv, log

pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_choice_gives_the_same(
    settings: dict[str, Any], cluster: EngineConfig, tmp_path: Path, cache: Path
) -> None:
    both(csv(log(), tmp_path / "log.csv"), cluster, cache, settings)


def test_the_choices_leave_out_what_they_are_meant_to(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    _, report = both(csv(log(), tmp_path / "log.csv"), cluster, cache, SETTINGS["everything at once"])
    assert report.rows_read == ROWS
    assert len(report.dropped) == 7, "each filter has left out something"


@pytest.mark.slow
def test_a_k_core_of_several_rounds(cluster: EngineConfig, tmp_path: Path, cache: Path) -> None:
    _, report = both(csv(log(), tmp_path / "log.csv"), cluster, cache, SETTINGS["k-core"])
    assert any("6 rounds)" in reason for reason in report.dropped)
