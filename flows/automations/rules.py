"""The automations as data; flows/automations/apply.py puts them on the Prefect server."""

from collections.abc import Sequence
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.automations.notifications import notification
from flows.orchestration.deployments import HEARTBEAT_SECONDS, TAG, Deployed
from flows.orchestration.events import DRIFTED, PROMOTED, dataset_resource

PREFIX = "ncf: "  # of the names of our automations; others are left alone
SILENCE = timedelta(seconds=5 * HEARTBEAT_SECONDS)  # five heartbeats: a busy server loses two or three
START = timedelta(minutes=5)  # a worker begins a run within seconds, on a busy machine within minutes
ANY_RUN = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
OURS = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})


def crash_what_is_silent(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Marks a run as Crashed when its heartbeats stop: its process or machine has died, and could not report it."""
    return [
        AutomationCore(
            name=f"{PREFIX}crash what is silent",
            description=f"A flow run without a heartbeat for {SILENCE.seconds} seconds is Crashed. Only runs with "
            f"the tag {TAG}, which send one every {HEARTBEAT_SECONDS} seconds.",
            trigger=EventTrigger(
                match=ANY_RUN,
                match_related=OURS,
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.*"},  # the next heartbeat, or the end, whatever the state's name
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=SILENCE,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message=f"No heartbeat for {SILENCE.seconds} seconds: its process, worker or machine is gone. The "
                    "next run continues from what was finished.",
                )
            ],
        )
    ]


def crash_what_never_begins(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Marks a run as Crashed that stays Pending: its worker died after taking it, before the first heartbeat."""
    return [
        AutomationCore(
            name=f"{PREFIX}crash what never begins",
            description=f"A flow run that a worker took and did not begin in {START.seconds // 60} minutes is Crashed.",
            trigger=EventTrigger(
                match=ANY_RUN,
                match_related=OURS,
                after={"prefect.flow-run.Pending"},
                expect={"prefect.flow-run.*"},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=START,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message=f"Its worker did not begin it within {START.seconds // 60} minutes, and is gone.",
                )
            ],
        )
    ]


def recommend_after_promotion(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Starts the recommend deployment of a data set when it has a new champion, whoever promoted it."""
    return [
        AutomationCore(
            name=f"{PREFIX}{each.name} after a promotion",
            description=f"A new champion of {each.dataset}, by a retraining, a rollback or by hand, runs {each.name}.",
            trigger=EventTrigger(
                match=ResourceSpecification({"prefect.resource.id": dataset_resource(each.dataset)}),
                expect={PROMOTED},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[RunDeployment(deployment_id=each.id)],
        )
        for each in deployments
        if each.flow == "recommend" and each.dataset
    ]


def retrain_after_drift(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Starts one retraining of a data set when the monitor finds changes of its data beyond the thresholds."""
    return [
        AutomationCore(
            name=f"{PREFIX}{each.name} after drift",
            description=f"When monitor/{each.dataset} finds that the data have changed beyond its thresholds.",
            trigger=EventTrigger(
                match=ResourceSpecification({"prefect.resource.id": dataset_resource(each.dataset)}),
                expect={DRIFTED},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[RunDeployment(deployment_id=each.id)],
        )
        for each in deployments
        if each.flow == "retrain" and each.dataset
    ]


def notify_of_failures(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Notifies the block ncf-notifications, if there is one, of runs that failed, crashed or timed out."""
    text = (
        "flow_run.name ~ ' (' ~ flow.name ~ ') is ' ~ flow_run.state.name ~ ': ' ~ (flow_run.state.message or '')"
        " ~ ' ' ~ ((flow_run | ui_url) or '')"  # empty if the server does not know its own address
    )
    action = notification(client, text, "A run failed or crashed")
    if action is None:
        return []
    return [
        AutomationCore(
            name=f"{PREFIX}tell of failures",
            description="Notifies of each flow run of ours that failed, crashed or timed out.",
            trigger=EventTrigger(
                match=ANY_RUN,
                match_related=OURS,
                expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[action],
        )
    ]


def notify_of_promotions(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Notifies the block ncf-notifications, if there is one, of every new champion."""
    action = notification(client, "event.payload.text", "A new champion")
    if action is None:
        return []
    return [
        AutomationCore(
            name=f"{PREFIX}tell of promotions",
            description="Notifies of each new champion of any data set, with the reason.",
            trigger=EventTrigger(
                match=ResourceSpecification({"prefect.resource.id": dataset_resource("*")}),
                expect={PROMOTED},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[action],
        )
    ]
