"""Writes the newest retraining's result into the README, and its pictures: `python -m docs.site.retraining`.

Run it after `make retrain`, in the folder of the retraining (its mlruns/ is read).
"""

import json
import shutil
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run

from docs.site import blocks
from docs.site.links import REPOSITORY
from flows.report import Report
from flows.store import tracking_uri

DATASET = "ml-100k"
IMAGES = REPOSITORY / "docs" / "images"
PICTURES = {"comparison_metrics.png": "retraining.png", "learning_curves.png": "learning-curves.png"}


def newest(client: MlflowClient) -> Run:
    """The newest retraining that is complete.

    Raises:
        SystemExit: there is none.
    """
    experiment = client.get_experiment_by_name(DATASET)
    found = [] if experiment is None else client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])
    whole = [run for run in found if "ncf.complete" in run.data.tags and "ncf.settings" in run.data.tags]
    parents = [run for run in whole if "mlflow.parentRunId" not in run.data.tags]
    if not parents:
        sys.exit(f"error: no retraining of {DATASET} in {tracking_uri()}; what to do: make retrain")
    return parents[0]


def shown(report: Report) -> str:
    """The table and the verdict."""
    lines = [report.header, ["---"] + ["---:"] * (len(report.header) - 1), *(row.cells() for row in report.rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n*{report.verdict()}*"


def main() -> None:
    """Write all."""
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    run_id = newest(MlflowClient(uri)).info.run_id
    files = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/"))
    report = Report.model_validate(json.loads((files / "report.json").read_text()))
    blocks.write(REPOSITORY / "README.md", "make retrain", shown(report))
    for name, picture in PICTURES.items():
        shutil.copyfile(files / name, IMAGES / picture)


if __name__ == "__main__":
    main()
