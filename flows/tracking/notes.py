"""Addresses in the two UIs, so that a run of one leads to its run in the other."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from flows.tracking.keys import BEST_EPOCH, COLUMNS, EPOCHS
from ncf.data.prepared import PreparedData

FLOW_RUN, FLOW_RUN_URL = "ncf.flow_run", "ncf.flow_run_url"  # tags of MLflow's runs


def mlflow_run_url(uri: str, experiment_id: str, run_id: str) -> str:
    """The page of a run on an MLflow server; empty for a database, which has no page."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return ""
    host = parts.netloc.rpartition("@")[2]  # no password in a link
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def flow_run_tags() -> dict[str, str]:
    """Which flow run this is, and its page where there is a server: as tags of an MLflow run."""
    if flow_run.id is None:
        return {}
    url = flow_run_url()
    return {FLOW_RUN: str(flow_run.id), **({FLOW_RUN_URL: url} if url else {})}


def flow_run_url() -> str:
    """The page of the present flow run on a Prefect server; empty with the embedded one, which ends with the run."""
    if flow_run.id is None or get_current_settings().api.url is None:
        return ""
    return str(flow_run.ui_url or "")


def flow_run_note() -> str:
    """A line of markdown with the link, for the notes of an MLflow run; or nothing."""
    url = flow_run_url()
    return f"\n\n[Flow run {flow_run.name} in Prefect]({url})\n" if url else ""


MEANINGS = {
    "popularity": "Every user gets the items with the most train interactions: what any model has to beat.",
    "item-knn": "An item's score is the summed similarity of its nearest items that the user has in train.",
    "ials": "Matrix factorisation by alternating least squares over all unobserved pairs (Hu et al., 2008).",
    "gmf": "Generalised Matrix Factorisation: a weighted product of a user's and an item's embedding (He et al., 2017, "
    "eq. 8-9).",
    "mlp": "A multi-layer perceptron over a user's and an item's embedding (He et al., 2017, eq. 10).",
    "neumf": "NeuMF: GMF and MLP side by side under one output layer (He et al., 2017, eq. 12), trained from scratch.",
    "neumf-pretrained": "NeuMF that starts from the trained GMF and MLP (He et al., 2017, eq. 13) and trains on.",
}


def model_notes(name: str, metrics: Mapping[str, float], data: PreparedData) -> str:
    """What a model or baseline is, what it was fitted to, and its figures on the test holdout, as markdown.

    Args:
        name: as in the table of a retraining.
        metrics: under their keys, such as "test/full/ndcg_at_10", with their `_ci95`.
        data: the prepared data set.
    """
    learned = BEST_EPOCH in metrics
    kept = f" Epoch {metrics[BEST_EPOCH]:.0f} of {metrics[EPOCHS]:.0f} was kept." if learned else ""
    cells = [f"{metrics[key]:.4f} ±{metrics[f'{key}_ci95']:.4f}" for key in COLUMNS.values()]
    rows = [list(COLUMNS), ["---:"] * len(COLUMNS), cells]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"{MEANINGS[name]}\n\nFitted to {len(data.train):,} train interactions of {data.num_users:,} users and "
        f"{data.num_items:,} items of {data.name} (`{data.fingerprint[:12]}`).{kept}\n\n{table}\n\n"
        "Test holdout; ± is half the 95 % interval over users.\n"
    )
