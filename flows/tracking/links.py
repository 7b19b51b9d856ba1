"""Links between the UIs of MLflow and Prefect, and the view of MLflow's page that a link opens.

The view is one that MLflow's page reads as if somebody had pressed its button "Share": a tag of the experiment with
what the page's address can't say. A page that does not know it shows the list of runs instead.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from flows.tracking import BEST_EPOCH, COLUMNS, EPOCHS, SECONDS

FLOW_RUN, FLOW_RUN_URL = "ncf.flow_run", "ncf.flow_run_url"  # tags of MLflow's runs


VIEW_TAG, VIEW_KEY = "mlflow.sharedViewState.", "viewStateShareKey"  # MLflow's
VIEW_PREFIX = "ncf-"  # of our own keys
CHART_MODE = "compareRunsMode=CHART"
VIEWS_KEPT = 30  # of an experiment; the tag of an older one is removed
CURVE = "validation/full/ndcg_at_10"
SECTION = "ncf"  # its identifier
WIDTH = 150  # of a column, in pixels


def mlflow_url(uri: str, page: str) -> str:
    """A page of an MLflow server; empty for a database."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return ""
    host = parts.netloc.rpartition("@")[2]  # no password in a link
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/{page}"


def comparison_page(experiment_id: str, key: str) -> str:
    """The page of an experiment with the charts of a view, below the server's address."""
    return f"experiments/{experiment_id}/runs?{VIEW_KEY}={key}&{CHART_MODE}"


def comparison_view(run_id: str) -> str:
    """What MLflow's page shows of a retraining: its models alone, the best first, in the metrics that matter.

    Returns:
        JSON with the names that MLflow's page has for its filter, its columns and its charts.
    """
    shared = {"runsCountToCompare": 10, "metricSectionId": SECTION, "deleted": False, "isGenerated": False}
    charts: list[dict[str, Any]] = [
        {"type": "BAR", "uuid": f"{SECTION}-{key}", "metricKey": key, "displayName": title, **shared}
        for title, key in COLUMNS.items()
    ]
    curve = {"type": "LINE", "uuid": f"{SECTION}-{CURVE}", "metricKey": CURVE, "selectedMetricKeys": [CURVE], **shared}
    charts.append({**curve, "displayName": "Validation by epoch", "xAxisKey": "step", "yAxisKey": "metric"})
    columns = [f"metrics.`{key}`" for key in (*COLUMNS.values(), EPOCHS, BEST_EPOCH, SECONDS)]
    view = {
        "searchFilter": f"tags.mlflow.parentRunId = '{run_id}'",
        "orderByKey": f"metrics.`{COLUMNS['NDCG@10 full']}`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": dict.fromkeys(columns, WIDTH),
        "compareRunCharts": charts,
        "compareRunSections": [{"uuid": SECTION, "name": "Test holdout", "display": True, "isReordered": True}],
        "isAccordionReordered": True,
    }
    return json.dumps(view)


def flow_run_tags() -> dict[str, str]:
    """The current flow run, and its page where there is a server, as tags of an MLflow run."""
    if flow_run.id is None:
        return {}
    url = flow_run_url()
    return {FLOW_RUN: str(flow_run.id), **({FLOW_RUN_URL: url} if url else {})}


def flow_run_url() -> str:
    """The page of the current flow run on a Prefect server; empty with the embedded one, which ends with the run."""
    if flow_run.id is None or get_current_settings().api.url is None:
        return ""
    return str(flow_run.ui_url or "")


def flow_run_note() -> str:
    """A line of markdown with the link, for the notes of an MLflow run; empty without a server."""
    url = flow_run_url()
    return f"\n\n[Flow run {flow_run.name} in Prefect]({url})\n" if url else ""
