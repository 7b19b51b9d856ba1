import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from supervisor.options import ServerOptions

from flows.up.passwords import read_passwords
from flows.up.processes import end, flow_runs, has_ended, leftovers
from flows.up.programs import FOLDER_VARIABLE, PROGRAM_VARIABLE, Program, environment, programs
from flows.up.settings import UpSettings
from flows.up.supervisor import CONFIG, LOGS, Supervisor, check_paths, configuration
from ncf.errors import ConfigError
from tests.e2e.processes import wait_until
from tests.flows.up.example_passwords import PASSWORDS

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """One with two programs that sleep; the second waits to be started."""
    folder = tmp_path / "up"
    (folder / LOGS).mkdir(parents=True)
    two = [Program("mlflow", SLEEP), Program("worker", SLEEP, at_once=False)]
    (folder / CONFIG).write_text(configuration(folder, two, tmp_path))
    supervisor = Supervisor(folder)
    yield supervisor
    if supervisor.runs():
        supervisor.stop()
    end(leftovers(folder))


def start(supervisor: Supervisor) -> None:
    supervisor.start({**os.environ, FOLDER_VARIABLE: str(supervisor.folder)})


def pid_of(supervisor: Supervisor, name: str) -> int:
    wait_until(lambda: supervisor.states()[name]["statename"] == "RUNNING")
    return int(supervisor.states()[name]["pid"])


@pytest.mark.slow
def test_programs_start_come_back_after_a_kill_and_stop(supervisor: Supervisor) -> None:
    assert not supervisor.runs()
    start(supervisor)
    assert supervisor.runs()
    first = pid_of(supervisor, "mlflow")
    assert supervisor.states()["worker"]["statename"] == "STOPPED"
    supervisor.start_program("worker")
    pid_of(supervisor, "worker")
    psutil.Process(first).kill()
    wait_until(lambda: pid_of(supervisor, "mlflow") != first)
    assert len(leftovers(supervisor.folder)) == 2
    supervisor.stop_program("worker")
    assert [process.pid for process in leftovers(supervisor.folder)] == [pid_of(supervisor, "mlflow")]
    supervisor.stop()
    assert not supervisor.runs() and not leftovers(supervisor.folder)
    assert "up" in (supervisor.folder / LOGS / "mlflow.log").read_text()


@pytest.mark.slow
def test_after_a_kill_of_the_supervisor_its_programs_are_ended_before_their_successors_start(
    supervisor: Supervisor,
) -> None:
    start(supervisor)
    orphan = psutil.Process(pid_of(supervisor, "mlflow"))
    parent = orphan.parent()
    assert parent is not None
    parent.kill()
    wait_until(lambda: not supervisor.runs())
    assert orphan.is_running(), "then there is nothing to test"
    start(supervisor)
    wait_until(lambda: has_ended(orphan.pid))  # the successor's own Python ends it before anything else
    pid_of(supervisor, "mlflow")
    assert len(leftovers(supervisor.folder)) == 1


def test_a_process_of_which_nobody_took_note_has_ended() -> None:
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL) as process:
        assert not has_ended(process.pid)
        process.kill()
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert has_ended(process.pid)
    assert has_ended(process.pid)


def test_flow_runs_are_no_leftovers(tmp_path: Path) -> None:
    variables = {**os.environ, FOLDER_VARIABLE: str(tmp_path), PROGRAM_VARIABLE: "worker"}
    with subprocess.Popen(SLEEP, env={**variables, "PREFECT__FLOW_RUN_ID": "1"}, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: [found.pid for found in flow_runs(tmp_path)] == [process.pid])
            assert not leftovers(tmp_path)
            end(flow_runs(tmp_path))
            assert not flow_runs(tmp_path)
        finally:
            process.kill()


def test_the_configuration_is_what_supervisord_understands(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    (folder / LOGS).mkdir(parents=True)
    settings = UpSettings(folder=tmp_path, mlflow_names=("box.example",), host="0.0.0.0")
    (folder / CONFIG).write_text(configuration(folder, programs(settings, with_passwords=True), tmp_path))
    options = ServerOptions()
    options.realize(["-c", str(folder / CONFIG)])
    by_name = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert list(by_name) == ["mlflow", "prefect", "worker"]
    assert [by_name[name].autostart for name in by_name] == [True, True, False]
    command = by_name["mlflow"].command
    for words in ("--workers 1", "--app-name basic-auth", "box.example:5000", "http://box.example:5000"):
        assert words in command
    assert by_name["worker"].environment == {PROGRAM_VARIABLE: "worker"}
    assert by_name["prefect"].stdout_logfile == f"{folder}/{LOGS}/prefect.log"


def test_no_password_is_in_a_file_or_on_a_command_line(tmp_path: Path) -> None:
    settings, passwords = UpSettings(folder=tmp_path), read_passwords(PASSWORDS)
    everything = programs(settings, with_passwords=True)
    text = configuration(tmp_path, everything, tmp_path)
    assert all(value not in text for value in ("p@ss-word", "long enough"))
    variables = environment(settings, passwords, {})
    assert {name: variables[name] for name in PASSWORDS} == PASSWORDS


@pytest.mark.parametrize("folder", ["/" + "long/" * 20, "/srv/50%/up", "/srv/a;b/up"])
def test_a_path_that_supervisord_can_not_have_is_refused(folder: str) -> None:
    check_paths(Path("/srv/ncf/mlruns/up"), Path("/srv/ncf"))
    with pytest.raises(ConfigError, match="--folder"):
        check_paths(Path(folder), Path("/srv/ncf"))


def test_a_checkout_that_supervisord_can_not_work_in_is_told_as_such() -> None:
    with pytest.raises(ConfigError, match=r"/srv/50%/ncf.*checkout"):
        check_paths(Path("/srv/ncf/mlruns/up"), Path("/srv/50%/ncf"))
