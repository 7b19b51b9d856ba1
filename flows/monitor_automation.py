"""What starts a retraining when the data have drifted: an automation of Prefect, as data."""

from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.drift import DRIFTED, dataset_resource


def automation_for(dataset: str, client: SyncPrefectClient | None = None) -> AutomationCore:
    """One event ncf.data-drifted of a data set starts its deployment retrain/DATASET once.

    Args:
        dataset: its name, which is the deployment's too.
        client: of the Prefect server that has the deployment; None: of $PREFECT_API_URL.

    Raises:
        ObjectNotFound: the server has no such deployment.
    """
    deployment = (client or get_client(sync_client=True)).read_deployment_by_name(f"retrain/{dataset}")
    return AutomationCore(
        name=f"ncf: retrain/{dataset} after drift",
        description=f"When flows/monitor.py finds that the data of {dataset} have changed beyond its thresholds.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": dataset_resource(dataset)}),
            expect={DRIFTED},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[RunDeployment(deployment_id=deployment.id)],
    )
