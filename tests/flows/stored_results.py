"""What flows on MovieLens-100K keep in MLflow, and what any flow shows in Prefect."""

from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from flows.tracking.store import tracking_uri


def mlflow_runs(parent: str | None = None) -> list[Run]:
    """The runs below one, or those below none, oldest first."""
    client = MlflowClient(tracking_uri())
    found = client.search_runs([client.get_experiment_by_name("ml-100k").experiment_id], order_by=["start_time ASC"])
    return [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent]


def trial_runs(parent: str) -> dict[int, Run]:
    return {int(run.data.tags["ncf.trial"]): run for run in mlflow_runs(parent) if "ncf.trial" in run.data.tags}


def newest_artifact(key: str) -> Artifact:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return max(found, key=lambda one: one.created or 0)
