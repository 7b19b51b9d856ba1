"""The workers themselves: how they are had, what they leave, and what is said when one is lost."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import psutil
import pytest

from ncf.data.config import DataConfig, EngineConfig
from ncf.data.dask.cluster import open_workers
from ncf.errors import ConfigError, DataError
from ncf.ingest.config import FileSource
from ncf.prepare import prepare_source

OWN = EngineConfig(kind="dask", workers=1, worker_memory_mb=500)


def small_log(folder: Path) -> FileSource:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"user_id": generator.integers(0, 20, 300), "item_id": generator.integers(0, 50, 300)})
    frame.to_csv(folder / "log.csv", index=False)
    return FileSource(path=str(folder / "log.csv"))


def double(number: int) -> int:
    return 2 * number


def be_killed(number: int) -> int:
    os.abort()


def take_too_much(number: int) -> int:
    held = []
    while True:
        held.append(np.ones(5_000_000))


def fail(number: int) -> int:
    raise DataError(f"number {number} is wrong", got=number, do="mend it")


def fill_the_disk(number: int) -> int:
    raise OSError(28, "No space left on device")


def test_nothing_is_left_of_workers_that_were_started(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = set(psutil.Process().children(recursive=True))
    level = logging.getLogger(distributed.__name__).level
    with caplog.at_level(logging.INFO):
        prepare_source("log", small_log(tmp_path), DataConfig(), OWN, tmp_path / "cache")
    assert set(psutil.Process().children(recursive=True)) <= before
    assert list((tmp_path / "cache").iterdir()) == []
    assert {record.name.partition(".")[0] for record in caplog.records} == {"ncf"}, "Dask itself is quiet"
    assert logging.getLogger("distributed").level == level


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    (tmp_path / "log.csv").write_text("user_id,item_id\n1,2\n3\n")
    with pytest.raises(DataError, match="line 3"):
        prepare_source("log", FileSource(path=str(tmp_path / "log.csv")), DataConfig(), OWN, tmp_path / "cache")
    assert set(psutil.Process().children(recursive=True)) <= before
    assert list((tmp_path / "cache").iterdir()) == []


def test_workers_that_run_elsewhere_go_on(cluster: EngineConfig, tmp_path: Path) -> None:
    for _ in range(2):
        with open_workers(cluster, tmp_path) as workers:
            assert list(workers.each("Doubling", double, range(3))) == [0, 2, 4]


def test_results_and_errors_come_in_order(cluster: EngineConfig, tmp_path: Path) -> None:
    with open_workers(cluster, tmp_path) as workers, pytest.raises(DataError) as found:
        list(workers.each("Failing", fail, range(7, 20)))
    assert str(found.value) == "number 7 is wrong: 7; what to do: mend it"


def test_a_full_disk_of_a_worker_is_told(cluster: EngineConfig, tmp_path: Path) -> None:
    with open_workers(cluster, tmp_path) as workers, pytest.raises(DataError, match="No space left.*free space"):
        list(workers.each("Writing", fill_the_disk, range(1)))


@pytest.mark.slow
@pytest.mark.parametrize("task", [be_killed, take_too_much])
def test_a_worker_that_is_lost_again_and_again_is_told(task: object, tmp_path: Path) -> None:
    assert callable(task)
    with open_workers(OWN, tmp_path) as workers:
        with pytest.raises(DataError, match="out of memory.*worker_memory_mb"):
            list(workers.each("Failing", task, range(1)))
        assert list(workers.each("Doubling", double, [4])) == [8], "another has taken its place"


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncf.data.dask.cluster.SECONDS", 1)
    engine = EngineConfig(kind="dask", address="tcp://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no Dask scheduler answers.*127.0.0.1:9"):
        prepare_source("log", small_log(tmp_path), DataConfig(), engine, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_workers_that_do_not_see_the_cache_are_named(
    cluster: EngineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncf.data.dask.cluster._text_of", _sees_nothing)
    with pytest.raises(ConfigError, match=r"2 of 2 workers do not see.*NCF_CACHE_DIR"), open_workers(cluster, tmp_path):
        pass


def _sees_nothing(path: Path) -> str:
    return ""


def test_workers_have_what_can_be_imported_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where `python -m` finds nothing of ours
    source = small_log(tmp_path)
    _, report = prepare_source("log", source, DataConfig(), OWN, tmp_path / "cache")
    assert report.rows_read == 300


@pytest.mark.slow
def test_it_is_not_waited_for_ever_when_no_worker_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = set(psutil.Process().children(recursive=True))  # such as the servers of other tests
    with open_workers(OWN, tmp_path) as workers:
        monkeypatch.setattr("ncf.data.dask.cluster.SECONDS", 2)
        for process in set(psutil.Process().children(recursive=True)) - others:
            process.kill()
        with pytest.raises(DataError, match="no Dask worker is left"):
            list(workers.each("Doubling", double, range(1)))


def test_without_dask_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"distributed.*\[dask\]"):
        prepare_source("log", small_log(tmp_path), DataConfig(), OWN, tmp_path / "cache")


def test_what_workers_load_is_small() -> None:
    code = (
        "import sys, ncf.data.dask.coding, ncf.data.dask.group, ncf.data.dask.reading; "
        "print([name for name in ('torch', 'lightning', 'sqlalchemy', 'mlflow', 'prefect') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
