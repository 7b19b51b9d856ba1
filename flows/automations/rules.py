"""What happens by itself on the Prefect server, as data; flows/automations/apply.py puts it there."""

from collections.abc import Sequence
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.automations.notifications import teller
from flows.orchestration.deployments import HEARTBEAT_SECONDS, TAG, Deployed
from flows.orchestration.events import DRIFTED, PROMOTED, dataset_resource

PREFIX = "ncf: "  # of the names of ours; those of other names are left alone
SILENCE = timedelta(seconds=5 * HEARTBEAT_SECONDS)  # not of two or three: a busy server loses some heartbeats
START = timedelta(minutes=5)  # a worker that took a run begins it within seconds; a loaded machine takes longer
ANY_RUN = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
OURS = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})


def crash_what_is_silent(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Marks a run as Crashed when its heartbeats stop: a run whose process or machine died can't say so itself."""
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
                    "next run goes on with what was finished.",
                )
            ],
        )
    ]


def crash_what_never_begins(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Marks a run as Crashed that stays Pending: its worker died just after taking it, before there was a heartbeat."""
    return [
        AutomationCore(
            name=f"{PREFIX}crash what never begins",
            description=f"A flow run that a worker took and that did not begin within {START.seconds // 60} minutes is "
            "Crashed.",
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
                    message=f"Taken by a worker that did not begin it in {START.seconds // 60} minutes: it is gone.",
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
    """Starts one retraining of a data set when the monitor finds that its data have changed beyond the thresholds."""
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


def tell_of_failures(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Notifies the block ncf-notifications, if there is one, of runs that failed, crashed or timed out."""
    text = (
        "flow_run.name ~ ' (' ~ flow.name ~ ') is ' ~ flow_run.state.name ~ ': ' ~ (flow_run.state.message or '')"
        " ~ ' ' ~ ((flow_run | ui_url) or '')"  # a server that was not told its own address knows no link
    )
    action = teller(client, text, "A run failed or crashed")
    if action is None:
        return []
    return [
        AutomationCore(
            name=f"{PREFIX}tell of failures",
            description="A flow run of ours that failed, crashed or ran out of time is told.",
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


def tell_of_promotions(client: SyncPrefectClient, deployments: Sequence[Deployed]) -> list[AutomationCore]:
    """Notifies the block ncf-notifications, if there is one, of every new champion."""
    action = teller(client, "event.payload.text", "A new champion")
    if action is None:
        return []
    return [
        AutomationCore(
            name=f"{PREFIX}tell of promotions",
            description="A new champion of any data set is told, with the reason.",
            trigger=EventTrigger(
                match=ResourceSpecification({"prefect.resource.id": dataset_resource("*")}),
                expect={PROMOTED},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[action],
        )
    ]
