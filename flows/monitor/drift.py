"""Telling Prefect that the data of a champion have changed, or that a log looks damaged; each state of them once.

What was told is remembered in tags of the champion's version: with a new champion it begins anew.
"""

from collections.abc import Sequence
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import get_current_settings
from pydantic import ValidationError

from flows.monitor.report import MonitorReport
from flows.orchestration.events import DRIFTED, FAULTY, dataset_resource, version_resource
from flows.tracking.tracking import Tracker
from ncf.monitoring.verdict import ExceededThreshold, Kind, LastEvent, is_news

EVENTS: dict[Kind, str] = {"drift": DRIFTED, "fault": FAULTY}
MEMORY: dict[Kind, str] = {kind: f"ncf.told.{kind}" for kind in EVENTS}  # tags of the version, the values as JSON


def tell(tracker: Tracker, name: str, report: MonitorReport, again: float) -> str:
    """Emit what is news of a report. A log that looks damaged is told instead of a drift: nobody is to train on it.

    Args:
        tracker: of the data set.
        name: of the registered model.
        report: of a champion.
        again: as for `is_news`.

    Returns:
        What was done, in a sentence; nothing if no threshold is passed.
    """
    version = tracker.client.get_model_version(name, str(report.version))
    faults, drift = report.of_kind("fault"), report.of_kind("drift")
    if not faults:
        _forget(tracker, version, "fault")
        return _tell(tracker, version, report, "drift", drift, again) if drift else ""
    said = _tell(tracker, version, report, "fault", faults, again)
    return f"{said} No retraining is asked for on a log like this."


def _tell(
    tracker: Tracker,
    version: ModelVersion,
    report: MonitorReport,
    kind: Kind,
    passed: Sequence[ExceededThreshold],
    again: float,
) -> str:
    new, names = (report.findings.new if report.findings else 0), [one.name for one in passed]
    before = _told(version, kind)
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
    EventsWorker.instance().wait_until_empty()  # remembered as told only when it has left this process
    told = LastEvent.after(before, new, names)
    tracker.client.set_model_version_tag(version.name, version.version, MEMORY[kind], told.model_dump_json())
    return f"The event {EVENTS[kind]} was emitted."


def payload_of(report: MonitorReport, passed: Sequence[ExceededThreshold]) -> dict[str, Any]:
    """What an event carries: the figures, and which thresholds are passed."""
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


def _told(version: ModelVersion, kind: Kind) -> LastEvent | None:
    try:
        return LastEvent.model_validate_json(version.tags[MEMORY[kind]])
    except (KeyError, ValidationError):  # never told, or somebody changed the tag
        return None


def _forget(tracker: Tracker, version: ModelVersion, kind: Kind) -> None:
    """A fault that is over is news when it comes again."""
    if MEMORY[kind] in version.tags:
        tracker.client.delete_model_version_tag(version.name, version.version, MEMORY[kind])
