import errno
import shutil
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Timer
from typing import NamedTuple

import pytest
import torch
from mlflow.exceptions import MlflowException
from prefect import flow

from flows.cli.options import one_at_a_time, run_from_command_line
from flows.cli.preflight import check_before_work
from flows.prepare.flow import prepare, show
from flows.prepare.settings import DataSettings
from flows.retrain.flow import retrain
from flows.retrain.report import Report
from flows.retrain.settings import RetrainSettings
from flows.tracking.store import TrackingError
from ncf.errors import ConfigError
from tests.e2e.processes import free_port


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NCF_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match=r"file/cache can't be written.*NCF_CACHE_DIR"):
        check_before_work(RetrainSettings())


def test_a_full_disk_is_refused_before_any_work(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    with pytest.raises(ConfigError, match="nearly full.*1000"):
        check_before_work(RetrainSettings())


def test_a_mlflow_server_that_does_not_answer_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="127.0.0.1:9 does not answer.*MLFLOW_TRACKING_URI"):
        check_before_work(RetrainSettings(), retries=0)


class Healthy(BaseHTTPRequestHandler):
    """A server that is well."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()


def test_a_flow_waits_for_a_mlflow_server_that_is_being_started(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    servers: list[HTTPServer] = []

    def start() -> None:
        servers.append(HTTPServer(("127.0.0.1", port), Healthy))
        servers[0].serve_forever()

    starting = Timer(1.0, start)
    starting.start()
    try:
        check_before_work(RetrainSettings())
    finally:
        starting.join(timeout=0.1)
        for server in servers:
            server.shutdown()
            server.server_close()
    assert servers, "it was not there at first"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_hardware_that_is_not_there_is_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_from_command_line(retrain, RetrainSettings, ["--hardware.accelerator", "gpu"], Report.show) == 1
    shown = capsys.readouterr().err
    assert "does not have the accelerator asked for: 'gpu'; allowed: cpu, auto; what to do: " in shown
    assert shown.count("\n") == 1


def test_an_error_is_one_line_and_an_exit_code(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run_from_command_line(retrain, RetrainSettings, [], Report.show) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: the MLflow server")
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MlflowException("the database is locked"), "MLflow failed: the database is locked"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            "can't write /data/x: No space left on device; make room",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "/data/x"),
            "can't write /data/x: Permission denied; make it writable",
        ),
    ],
)
def test_a_failure_on_the_way_says_that_the_same_command_goes_on(
    workspace: Path, prefect_server: None, error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow(name="failing")
    def failing(settings: RetrainSettings) -> Report:
        raise error

    assert run_from_command_line(failing, RetrainSettings, [], Report.show) == 1
    shown = capsys.readouterr().err
    assert words in shown and "the same command goes on" in shown


def test_two_retrainings_of_a_data_set_do_not_run_at_once(workspace: Path) -> None:
    with one_at_a_time("ml-100k"):
        with pytest.raises(ConfigError, match="another run for ml-100k is going on"), one_at_a_time("ml-100k"):
            pass
        with one_at_a_time("another"):
            pass
    with one_at_a_time("ml-100k"):
        pass


def test_a_log_that_is_not_there_is_told_before_prefect_starts(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "plays.csv").write_text("user,song\n1,2\n")
    for path, words in (("play.csv", "did you mean plays.csv?"), ("plays.csv", "has no column item_id")):
        options = ["--dataset", "shop", "--source.path", str(workspace / path)]
        assert run_from_command_line(prepare, DataSettings, options, show) == 1
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ") and words in shown.err
        assert shown.err.count("\n") == 1 and not shown.out
