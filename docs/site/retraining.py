"""Write the result of a retraining and its charts into the README: `python -m docs.site.retraining [RUN_ID]`.

Run it after `make retrain` in the same folder, whose mlruns/ it reads; without an id it uses the newest retraining.
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
from flows.charts.chart import Chart, bar_panel
from flows.charts.png import png
from flows.retrain.report import Report
from flows.tracking import COLUMNS
from flows.tracking.store import tracking_uri

DATASET = "ml-100k"
IMAGES = REPOSITORY / "docs" / "images"
METRICS = ("HR@10 full", "NDCG@10 full")
HEIGHT = 2.6  # inches; leaves room for a table on the README's first screen


def newest(client: MlflowClient) -> Run:
    """Return the newest complete retraining.

    Raises:
        SystemExit: there is none.
    """
    experiment = client.get_experiment_by_name(DATASET)
    found = [] if experiment is None else client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])
    done = [run for run in found if "ncf.complete" in run.data.tags and "ncf.settings" in run.data.tags]
    parents = [run for run in done if "mlflow.parentRunId" not in run.data.tags and "ncf.tuning" not in run.data.tags]
    if not parents:
        sys.exit(f"error: no retraining of {DATASET} in {tracking_uri()}; what to do: make retrain")
    return parents[0]


def summary(report: Report) -> str:
    """Return the table and the verdict as Markdown."""
    return f"{report.table().markdown()}\n\n*{report.verdict()}*"


def chart(report: Report) -> Chart:
    """Chart the test metrics of full ranking with their 95 % intervals: a panel per metric, a bar per model."""
    panels = []
    for title in METRICS:
        key = COLUMNS[title]
        bars = {row.name: (row.metrics[key], row.metrics[f"{key}_ci95"]) for row in report.rows}
        panels.append(bar_panel(title.removesuffix(" full"), bars))
    title = f"{report.dataset}: test holdout, full ranking, with 95 % intervals over users"
    return Chart(title, panels, columns=len(panels), height=HEIGHT, share="y")


def main() -> None:
    """Write the table and the charts."""
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    run_id = sys.argv[1] if len(sys.argv) > 1 else newest(MlflowClient(uri)).info.run_id
    files = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/"))
    report = Report.model_validate(json.loads((files / "report.json").read_text()))
    blocks.write(REPOSITORY / "README.md", "make retrain", summary(report))
    (IMAGES / "retraining.png").write_bytes(png(chart(report)))
    shutil.copyfile(files / "learning_curves.png", IMAGES / "learning-curves.png")


if __name__ == "__main__":
    main()
