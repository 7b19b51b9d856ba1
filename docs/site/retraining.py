"""Write the result of a retraining and its charts into the README: `python -m docs.site.retraining [RUN_ID]`.

Run it after `make retrain` in the same folder, whose mlruns/ it reads; without an id it uses the newest retraining.
"""

import json
import shutil
import sys
from pathlib import Path

import mlflow
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run

from docs.site import blocks
from docs.site.links import REPOSITORY
from flows.charts.pictures import COLOURS, GREY, LABEL, new_figure, plain
from flows.retrain.report import Report
from flows.tracking.keys import COLUMNS
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
    lines = [report.header, ["---"] + ["---:"] * (len(report.header) - 1), *(row.cells() for row in report.rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n*{report.verdict()}*"


def draw(report: Report) -> Figure:
    """Draw the test metrics of full ranking with their 95 % intervals, one panel per metric and one bar per model."""
    figure = new_figure(f"{report.dataset}: test holdout, full ranking, with 95 % intervals over users", HEIGHT)
    names = [row.name for row in report.rows]
    colors = [GREY, *COLOURS][: len(names)]  # popularity is the reference
    for axes, title in zip(figure.subplots(1, len(METRICS), sharey=True), METRICS, strict=True):
        means, halves = ([row.metrics[COLUMNS[title] + end] for row in report.rows] for end in ("", "_ci95"))
        axes.barh(names, means, xerr=halves, color=colors, error_kw={"ecolor": GREY, "capsize": 3})
        axes.set_title(title.removesuffix(" full"), fontsize=LABEL, loc="left")
        plain(axes)
    figure.axes[0].invert_yaxis()  # the order of the table; the panels share the axis
    return figure


def main() -> None:
    """Write the table and the charts."""
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    run_id = sys.argv[1] if len(sys.argv) > 1 else newest(MlflowClient(uri)).info.run_id
    files = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/"))
    report = Report.model_validate(json.loads((files / "report.json").read_text()))
    blocks.write(REPOSITORY / "README.md", "make retrain", summary(report))
    draw(report).savefig(IMAGES / "retraining.png")
    shutil.copyfile(files / "learning_curves.png", IMAGES / "learning-curves.png")


if __name__ == "__main__":
    main()
