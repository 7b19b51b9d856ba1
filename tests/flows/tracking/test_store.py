import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from flows.tracking.store import connect, global_store, tracking_uri
from tests.e2e.processes import REPOSITORY


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_a_kill_while_the_database_is_made_leaves_none_or_a_whole_one(tmp_path: Path, seconds: float) -> None:
    uri = f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}"
    code = f"from flows.tracking.store import connect; connect({uri!r})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    while not (tmp_path / "store").exists() and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, "it ended before there was anything to interrupt"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    client = connect(uri)
    run = client.create_run(client.create_experiment("works"))
    assert connect(uri).get_run(run.info.run_id).info.run_id == run.info.run_id


def test_what_a_kill_has_left_of_a_new_database_goes(tmp_path: Path) -> None:
    for name in (".mlflow.db.123", ".mlflow.db.123-journal"):
        (tmp_path / name).write_text("half")
    connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".migration.lock", "mlflow.db"]


def test_the_global_address_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    with global_store(uri):
        assert mlflow.get_tracking_uri() == uri
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert tracking_uri() == f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}"
