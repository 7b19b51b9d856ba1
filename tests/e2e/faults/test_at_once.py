"""Ten runs that begin in the same second, as a schedule at 03:00 does, on an empty cache and Prefect home.

They share the working folder, its MLflow store, the cache and Prefect's home; whatever one of them makes there first,
the others make too.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from ncf.files import CACHE_VARIABLE
from tests.e2e.faults.tiny_retraining import tiny_settings, write_log
from tests.e2e.processes import (
    answers,
    environment,
    free_port,
    mlflow_server,
    options_of,
    prefect_server,
    python_module,
    running,
    wait_until,
)

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1500)]
SECONDS = 1200
RETRAINED = ("shop", "songs", "films", "books")
PREPARED = ("news", "games", "wines")
TUNED = ("maps", "jobs")
REPLAYED = ("tours",)
EVERY = (*RETRAINED, *PREPARED, *TUNED, *REPLAYED)


def command(dataset: str, log: Path) -> list[str]:
    """A run of a data set of its own, as short as can be."""
    settings = tiny_settings(dataset, log)
    data = options_of({"dataset": dataset, "source": settings["source"]})
    short = ["--gmf.training.max-epochs", "2"]
    if dataset in PREPARED:
        return python_module("flows.prepare", *data)
    if dataset in TUNED:
        once = ["--model", "gmf", "--budget.trials", "1", "--confirm-seeds", "1"]
        return python_module("flows.tune", *data, *once, *short)
    if dataset in REPLAYED:
        return python_module("flows.backtest", *data, "--window-days", "7", "--policies", "never", *short)
    return python_module("flows.retrain", *options_of(settings))


@pytest.fixture(params=["with servers", "without servers"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A working folder and an environment; nothing is in the cache or in Prefect's home yet."""
    env = environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache"), "PYTHONIOENCODING": "ascii"})
    with ExitStack() as servers:
        if request.param == "with servers":
            ports = free_port(), free_port()
            (tmp_path / "store").mkdir()
            for start in (mlflow_server(ports[0], tmp_path / "store"), prefect_server(ports[1])):
                servers.enter_context(running(start, tmp_path, env, tmp_path / f"{start[2]}.log"))
            env |= {
                "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports[0]}",
                "PREFECT_API_URL": f"http://127.0.0.1:{ports[1]}/api",
            }
            wait_until(lambda: answers(f"http://127.0.0.1:{ports[0]}/health"), tmp_path / "mlflow.log", SECONDS)
            wait_until(lambda: answers(f"http://127.0.0.1:{ports[1]}/api/health"), tmp_path / "prefect.log", SECONDS)
        yield tmp_path, env


def test_ten_runs_at_once(machine: tuple[Path, dict[str, str]]) -> None:
    folder, env = machine
    for number, dataset in enumerate(EVERY):
        write_log(folder / f"{dataset}.csv", seed=number)
    for dataset in REPLAYED:
        log = pd.read_csv(folder / f"{dataset}.csv")
        log["timestamp"] += (log["timestamp"] - log["timestamp"].min()) * 86_400  # a row a day
        log.to_csv(folder / f"{dataset}.csv", index=False)
    with ExitStack() as runs:
        processes = {}
        for dataset in EVERY:
            line = command(dataset, folder / f"{dataset}.csv")
            processes[dataset] = runs.enter_context(running(line, folder, env, folder / f"{dataset}.log"))
        ends = {}
        for dataset, process in processes.items():
            try:
                ends[dataset] = process.wait(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                ends[dataset] = -1
    told = {dataset: (folder / f"{dataset}.log").read_bytes().decode("ascii") for dataset in EVERY}
    wrong = {dataset: text[-3000:] for dataset, text in told.items() if ends[dataset] or "Traceback" in text}
    assert not wrong, "\n".join(f"--- {dataset}, exit {ends[dataset]}:\n{text}" for dataset, text in wrong.items())

    client = MlflowClient(env.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlruns/mlflow.db"))
    found = {model.name for model in client.search_registered_models()}
    assert found == {f"ncf-{dataset}" for dataset in RETRAINED}
    for dataset in RETRAINED:
        assert "+-.0" in told[dataset] and (folder / "recommendations" / f"{dataset}.csv").is_file()
    left = [path for path in (folder / "cache").rglob(".*") if path.suffix != ".lock"]
    assert left == [], "unfinished files and probes stay"
