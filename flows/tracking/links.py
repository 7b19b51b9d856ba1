"""Links between the UIs of MLflow and Prefect, so that a run in one leads to its run in the other."""

from urllib.parse import urlsplit

from prefect.runtime import flow_run
from prefect.settings import get_current_settings

FLOW_RUN, FLOW_RUN_URL = "ncf.flow_run", "ncf.flow_run_url"  # tags of MLflow's runs


def mlflow_run_url(uri: str, experiment_id: str, run_id: str) -> str:
    """The page of a run on an MLflow server; empty for a database."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return ""
    host = parts.netloc.rpartition("@")[2]  # no password in a link
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


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
