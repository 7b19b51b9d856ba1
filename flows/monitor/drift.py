"""Events that tell Prefect of drift in a champion's data, or of a damaged log; each state is told once.

Tags of the champion's version remember what was told, so a new champion starts without any.
"""

from collections.abc import Sequence
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import get_current_settings
from pydantic import ValidationError

from flows.monitor.report import MonitorReport
from flows.orchestration.tasks import DRIFTED, FAULTY, dataset_resource, version_resource
from flows.tracking.tracker import Tracker
from ncf.monitoring.verdict import ExceededThreshold, Kind, LastEvent, is_news

EVENTS: dict[Kind, str] = {"drift": DRIFTED, "fault": FAULTY}
MEMORY: dict[Kind, str] = {kind: f"ncf.told.{kind}" for kind in EVENTS}  # tags of the version, with JSON values


def emit_news(tracker: Tracker, name: str, report: MonitorReport, again: float) -> str:
    """Emit an event if a report has news. Faults take precedence over drift: nobody should train on a damaged log.

    Args:
        tracker: of the data set.
        name: of the registered model.
        report: of a check with a champion.
        again: as for `is_news`.

    Returns:
        What was done, as a sentence; empty if no threshold is passed.
    """
    version = tracker.client.get_model_version(name, str(report.version))
    faults, drift = report.of_kind("fault"), report.of_kind("drift")
    if not faults:
        _forget(tracker, version, "fault")
        return _emit(tracker, version, report, "drift", drift, again) if drift else ""
    said = _emit(tracker, version, report, "fault", faults, again)
    return f"{said} A damaged log triggers no retraining."


def _emit(
    tracker: Tracker,
    version: ModelVersion,
    report: MonitorReport,
    kind: Kind,
    passed: Sequence[ExceededThreshold],
    again: float,
) -> str:
    new, names = (report.findings.new if report.findings else 0), [one.name for one in passed]
    before = _last_told(version, kind)
    if not is_news(before, new, names, again):
        return f"The event {EVENTS[kind]} was emitted before."
    if get_current_settings().api.url is None:
        return "No event: there is no Prefect server."
    emit_event(
        EVENTS[kind],
        resource={"prefect.resource.id": dataset_resource(report.dataset), "prefect.resource.name": report.dataset},
        related=[_model_version(version)],
        payload=payload_of(report, passed),
    )
    EventsWorker.instance().wait_until_empty()  # it counts as told once it has left this process
    told = LastEvent.after(before, new, names)
    tracker.client.set_model_version_tag(version.name, version.version, MEMORY[kind], told.model_dump_json())
    return f"The event {EVENTS[kind]} was emitted."


def payload_of(report: MonitorReport, passed: Sequence[ExceededThreshold]) -> dict[str, Any]:
    """The payload of an event: the figures, and the passed thresholds."""
    return {
        "dataset": report.dataset,
        "version": report.version,
        "text": report.verdict(),
        "passed": [one.model_dump(mode="json") for one in passed],
        "figures": report.findings.figures() if report.findings else {},
        "run_id": report.run_id,
    }


def _model_version(version: ModelVersion) -> dict[str, str]:
    resource = version_resource(version.name, int(version.version))
    return {"prefect.resource.id": resource, "prefect.resource.role": "model-version"}


def _last_told(version: ModelVersion, kind: Kind) -> LastEvent | None:
    try:
        return LastEvent.model_validate_json(version.tags[MEMORY[kind]])
    except (KeyError, ValidationError):  # never told, or the tag was changed by hand
        return None


def _forget(tracker: Tracker, version: ModelVersion, kind: Kind) -> None:
    """Forget a fault that is over: if it comes back it is news."""
    if MEMORY[kind] in version.tags:
        tracker.client.delete_model_version_tag(version.name, version.version, MEMORY[kind])
