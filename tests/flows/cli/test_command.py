"""A command: what it checks before any work, and how it ends when something is wrong."""

import errno
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Timer
from typing import NamedTuple

import pytest
import torch
from mlflow.exceptions import MlflowException
from prefect import flow

from flows.cli.command import run_command
from flows.cli.flow_command import run_flow_command
from flows.prepare.__main__ import run as prepare_command
from flows.prepare.settings import DataSettings
from flows.retrain.__main__ import run as retrain_command
from flows.retrain.flow import check
from flows.retrain.report import Report
from flows.retrain.settings import RetrainSettings
from flows.tracking.locations import TrackingError
from ncf.errors import ConfigError
from tests.e2e.processes import REPOSITORY, free_port


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NCF_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match=r"file/cache can't be written.*NCF_CACHE_DIR"):
        check(RetrainSettings())


def test_a_full_disk_is_refused_before_any_work(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    with pytest.raises(ConfigError, match="nearly full.*1000"):
        check(RetrainSettings())


def test_a_mlflow_server_that_does_not_answer_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="127.0.0.1:9 does not answer.*MLFLOW_TRACKING_URI"):
        check(RetrainSettings(), retries=0)


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
        check(RetrainSettings())
    finally:
        starting.join(timeout=0.1)
        for server in servers:
            server.shutdown()
            server.server_close()
    assert servers, "it was not there at first"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_hardware_that_is_not_there_is_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(RetrainSettings, retrain_command, ["--hardware.accelerator", "gpu"]) == 1
    shown = capsys.readouterr().err
    assert "does not have the accelerator: 'gpu'; allowed: cpu, auto; what to do: " in shown
    assert shown.count("\n") == 1


def test_an_error_is_one_line_and_an_exit_code(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run_command(RetrainSettings, retrain_command, []) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: the MLflow server")
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MlflowException("the database is locked"), "MLflow failed: the database is locked"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            "can't write /data/x: No space left on device; what to do: free some space",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "/data/x"),
            "can't write /data/x: Permission denied; what to do: make it writable",
        ),
    ],
)
def test_a_failure_on_the_way_says_that_the_same_command_goes_on(
    workspace: Path, prefect_server: None, error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow(name="failing")
    def failing(settings: RetrainSettings) -> Report:
        raise error

    def run(settings: RetrainSettings) -> None:
        run_flow_command(failing, settings, check, Report.show)

    assert run_command(RetrainSettings, run, []) == 1
    shown = capsys.readouterr().err
    assert words in shown and "the same command continues" in shown


def test_a_log_that_is_not_there_is_told_before_prefect_starts(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "plays.csv").write_text("user,song\n1,2\n")
    for path, words in (("play.csv", "did you mean plays.csv?"), ("plays.csv", "has no column item_id")):
        options = ["--dataset", "shop", "--source.path", str(workspace / path)]
        assert run_command(DataSettings, prepare_command, options) == 1
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ") and words in shown.err
        assert shown.err.count("\n") == 1 and not shown.out


def test_an_interruption_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: DataSettings) -> None:
        raise KeyboardInterrupt

    assert run_command(DataSettings, run, []) == 130
    assert capsys.readouterr().err.startswith("error: interrupted; what is finished is kept")


COMMANDS = sorted(path.parent.name for path in (REPOSITORY / "flows").glob("*/__main__.py"))


@pytest.mark.parametrize(
    ("command", "option", "code"),
    [("retrain", "--help", 0), *((command, "--no-such-option", 2) for command in COMMANDS)],
)
def test_help_and_a_wrong_option_need_neither_torch_nor_mlflow_nor_prefect(
    command: str, option: str, code: int
) -> None:
    program = (
        "import runpy, sys\n"
        "try:\n"
        f"    runpy.run_module('flows.{command}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        "print('exit code', code, [name for name in ('torch', 'mlflow', 'prefect') if name in sys.modules])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, option], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert ended.stdout.endswith(f"exit code {code} []\n"), ended.stdout + ended.stderr
