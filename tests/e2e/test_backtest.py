"""`python -m flows.backtest` as a user runs it: killed in a training, killed anywhere, interrupted, and run again."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows.backtest.report import BacktestReport
from flows.tracking.tracker import Tracker
from ncf.data import RATING
from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import UNHURRIED, environment, python_module, running, wait_until
from tests.ncf.backtest.logs import colours, log_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # six commands, of which each starts a server

DATASET, WEEKS, WINDOWS, KILLS = "colours", 6, 5, 2
EPOCHS = 30  # so that a training takes some seconds
SMALL = [
    *("--dataset", DATASET, "--source.time-unit", "us", "--policies", "weekly,never", "--data.num-candidates", "5"),
    UNHURRIED,
    *("--gmf.training.max-epochs", str(EPOCHS), "--gmf.training.patience", "1000", "--gmf.training.batch-size", "128"),
]


@pytest.fixture(scope="module")
def log(workspace: Path) -> Path:
    path = workspace / "colours.csv"
    log_of(colours(WEEKS)).frame.drop(columns=RATING).to_csv(path, index=False)
    return path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache")})


def command(log: Path, *args: str) -> list[str]:
    return python_module("flows.backtest", "--source.path", str(log), *SMALL, *args)


def runs(folder: Path) -> list[Run]:
    """All of them, none as long as there is no store."""
    if not (folder / "mlruns" / "mlflow.db").exists():
        return []
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name(DATASET)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def moments(folder: Path) -> dict[str, Run]:
    found = [run for run in runs(folder) if "ncf.as_of" in run.data.tags]
    assert len({run.data.tags["ncf.as_of"] for run in found}) == len(found), "a moment has two runs"
    return {run.data.tags["ncf.as_of"]: run for run in found}


def finished(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Run, beginning and end of each finished moment."""
    ended = {day: run for day, run in moments(folder).items() if "ncf.complete" in run.data.tags}
    return {day: (run.info.run_id, run.info.start_time, run.info.end_time) for day, run in ended.items()}


def parent(folder: Path) -> Run:
    (run,) = [run for run in runs(folder) if "mlflow.parentRunId" not in run.data.tags]
    return run


def whole(folder: Path, env: dict[str, str], log: Path) -> BacktestReport:
    """Run the command to its end, and read its report."""
    done = subprocess.run(command(log), cwd=folder, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlruns/mlflow.db")
        report = Tracker(DATASET).files.read_json(parent(folder).info.run_id, "report.json")
    return BacktestReport.model_validate(report)


def check_whole(folder: Path) -> None:
    """One backtest with one run a moment, one model in each, trained on everything too, one value a window, no rest."""
    assert len(moments(folder)) == WINDOWS
    for kind in ("gmf", "refit"):
        models = [run for run in runs(folder) if run.data.tags.get("ncf.model") == kind]
        assert len({run.data.tags["mlflow.parentRunId"] for run in models}) == len(models) == WINDOWS
    assert {run.info.status for run in runs(folder)} == {"FINISHED"}
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    for key in ("backtest/weekly/full/ndcg_at_10", "backtest/never/full/hr_at_10", "backtest/users"):
        steps = [point.step for point in client.get_metric_history(parent(folder).info.run_id, key)]
        assert sorted(steps) == list(range(1, WINDOWS + 1)), "a window was logged twice, or never"
    assert not any((folder / "cache" / "checkpoints").iterdir())


def newest_checkpoint(folder: Path) -> float:
    """When the newest checkpoint was written; 0 without one."""
    paths = (folder / "cache" / "checkpoints").glob("*/*.ckpt")
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)


def figures(report: BacktestReport) -> list[float]:
    rows = [value for row in report.rows for value in (row.hr.value, row.ndcg.value, row.known or 0.0)]
    return [*rows, *(difference.ndcg.low or 0.0 for difference in report.differences)]


def test_killed_anywhere_the_same_command_goes_on_to_what_an_undisturbed_one_finds(
    workspace: Path, tmp_path: Path, env: dict[str, str], log: Path
) -> None:
    killed = tmp_path / "killed.log"
    with running(command(log), tmp_path, env, killed) as process:
        wait_until(lambda: len(finished(tmp_path)) >= 1, killed)
        wait_until(lambda: any((tmp_path / "cache" / "checkpoints").glob("*/*.ckpt")), killed)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = finished(tmp_path)
    in_training = moments(tmp_path).keys() - before.keys()
    assert len(before) >= 1 and len(in_training) == 1

    interrupted = tmp_path / "interrupted.log"
    with running(command(log), tmp_path, env, interrupted) as process:
        wait_until(lambda: "training gmf from its last checkpoint" in interrupted.read_text(), interrupted)
        resumed = newest_checkpoint(tmp_path)
        wait_until(lambda: newest_checkpoint(tmp_path) > resumed, interrupted)  # it strikes between epochs
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 130
    words = interrupted.read_text()
    assert "continuing the interrupted backtest" in words and "the same command continues from there" in words
    assert all(f"the model as of {day} is already trained" in words for day in before)
    assert "Traceback" not in words

    chance = random.Random(5)
    for kill in range(KILLS):
        again = tmp_path / f"{kill}.log"
        with running(command(log), tmp_path, env, again) as process:
            wait_until(lambda again=again: "Beginning flow run" in again.read_text(), again)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 6))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert "Traceback" not in again.read_text(), again.read_text()[-3000:]
        now = finished(tmp_path)
        assert before.items() <= now.items(), "what was finished was done again"
        before = now

    report = whole(tmp_path, env, log)
    check_whole(tmp_path)
    assert before.items() <= finished(tmp_path).items()
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    other = environment(undisturbed, **{CACHE_VARIABLE: str(undisturbed / "cache")})
    assert figures(whole(undisturbed, other, log)) == pytest.approx(figures(report), abs=1e-12)
