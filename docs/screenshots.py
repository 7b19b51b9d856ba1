"""Takes the pictures of MLflow's pages for these docs: `python docs/screenshots.py`, after tuning and retraining twice.

It needs the package selenium (extra docs), Chromium and its driver (Debian: chromium, chromium-driver), and serves the
mlruns/ of the working folder on a free port of 127.0.0.1.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from selenium import webdriver

DATASET = "ml-100k"
IMAGES = Path(__file__).parent / "images"
SECONDS = 15.0  # until a page is drawn
CURVE = "validation/full/ndcg_at_10"
HIDE_PLACES = """
for (const node of document.querySelectorAll("*"))
    if (!node.children.length && node.textContent.includes("file:///")) node.style.visibility = "hidden";
"""  # where the files of this very machine are is nobody's business
NEURAL = ("gmf", "mlp", "neumf", "neumf-pretrained")


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Serve a folder; yields the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    server = subprocess.Popen(command, env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                requests.get(f"{address}/health", timeout=2).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(1)
        yield address
    finally:
        server.terminate()
        server.wait()


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars", "window-size=1500,1050"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def pages(client: MlflowClient) -> dict[str, str]:
    """Address of each page below the server's, by the name of its picture."""
    experiment = client.get_experiment_by_name(DATASET)
    assert experiment is not None, f"no retraining of {DATASET} here"
    number = experiment.experiment_id
    runs: list[Run] = list(client.search_runs([number], order_by=["start_time DESC"]))
    parents = [run for run in runs if "ncf.settings" in run.data.tags and "mlflow.parentRunId" not in run.data.tags]
    tunings = [run for run in runs if "ncf.tuning" in run.data.tags]
    newest = parents[0].info.run_id
    models = [run.info.run_id for run in runs if run.data.tags.get("mlflow.parentRunId") == newest]
    neural = [run_id for run_id in models if client.get_run(run_id).data.tags["ncf.model"] in NEURAL]
    chosen = ",".join(f'"{run_id}"' for run_id in neural)
    return {
        "runs": f"experiments/{number}/runs",
        "curves": f"metric?{_query(number, neural)}",
        "compare": f'compare-runs?runs=[{chosen}]&experiments=["{number}"]',
        "comparison": f"experiments/{number}/runs/{newest}/artifacts/comparison.html",
        "model": f"models/ncf-{DATASET}",
        **({"study": f"experiments/{number}/runs/{tunings[0].info.run_id}/artifacts/study.html"} if tunings else {}),
    }


def _query(experiment: str, run_ids: list[str]) -> str:
    """The query of MLflow's page that lays the curves of one metric over each other."""
    values: dict[str, object] = {
        "runs": run_ids,
        "metric": CURVE,
        "experiments": [experiment],
        "plot_metric_keys": [CURVE],
        "plot_layout": {"autosize": True},
        "line_smoothness": 1,
        "show_point": True,
        "deselected_curves": [],
        "last_linear_y_axis_range": [],
    }
    axes = {"x_axis": "step", "y_axis_scale": "linear"}  # these two are no JSON
    return urlencode({name: json.dumps(value) for name, value in values.items()} | axes)


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with mlflow_server(Path.cwd() / "mlruns") as address, browser() as driver:
        driver.get(address)
        closed = "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
        driver.execute_script(closed + "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        for name, page in pages(MlflowClient(address)).items():
            driver.get("about:blank")
            driver.get(f"{address}/#/{page}")
            time.sleep(SECONDS)
            driver.execute_script(HIDE_PLACES)
            driver.save_screenshot(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()
