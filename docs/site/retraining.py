"""Writes a retraining's result into the README, and its pictures: `python -m docs.site.retraining [RUN_ID]`.

Run it after `make retrain`, in the folder of the retraining (its mlruns/ is read); without an id it takes the newest.
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
SHOWN = ("HR@10 full", "NDCG@10 full")
HEIGHT = 2.6  # inches: the README's first screen has a table as well


def newest(client: MlflowClient) -> Run:
    """The newest retraining that is complete.

    Raises:
        SystemExit: there is none.
    """
    experiment = client.get_experiment_by_name(DATASET)
    found = [] if experiment is None else client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])
    whole = [run for run in found if "ncf.complete" in run.data.tags and "ncf.settings" in run.data.tags]
    parents = [run for run in whole if "mlflow.parentRunId" not in run.data.tags and "ncf.tuning" not in run.data.tags]
    if not parents:
        sys.exit(f"error: no retraining of {DATASET} in {tracking_uri()}; what to do: make retrain")
    return parents[0]


def shown(report: Report) -> str:
    """The table and the verdict."""
    lines = [report.header, ["---"] + ["---:"] * (len(report.header) - 1), *(row.cells() for row in report.rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n*{report.verdict()}*"


def draw(report: Report) -> Figure:
    """The test metrics of the full ranking with their 95 % intervals: a panel a metric, a bar a model."""
    figure = new_figure(f"{report.dataset}: test holdout, full ranking, with 95 % intervals over users", HEIGHT)
    names = [row.name for row in report.rows]
    colours = [GREY, *COLOURS][: len(names)]  # popularity is what all are measured by
    for axes, title in zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN, strict=True):
        means, halves = ([row.metrics[COLUMNS[title] + end] for row in report.rows] for end in ("", "_ci95"))
        axes.barh(names, means, xerr=halves, color=colours, error_kw={"ecolor": GREY, "capsize": 3})
        axes.set_title(title.removesuffix(" full"), fontsize=LABEL, loc="left")
        plain(axes)
    figure.axes[0].invert_yaxis()  # the table's order from above; the panels share it
    return figure


def main() -> None:
    """Write all."""
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    run_id = sys.argv[1] if len(sys.argv) > 1 else newest(MlflowClient(uri)).info.run_id
    files = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/"))
    report = Report.model_validate(json.loads((files / "report.json").read_text()))
    blocks.write(REPOSITORY / "README.md", "make retrain", shown(report))
    draw(report).savefig(IMAGES / "retraining.png")
    shutil.copyfile(files / "learning_curves.png", IMAGES / "learning-curves.png")


if __name__ == "__main__":
    main()
