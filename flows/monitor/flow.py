"""Flow: what has changed in a log since the champion was trained on it. `python -m flows.monitor --help`."""

from datetime import UTC, datetime
from typing import cast

from prefect import State, flow
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows.cli.checks import RETRIES, check_cache
from flows.monitor import drift
from flows.monitor import runs as monitor_runs
from flows.monitor.report import MonitorReport
from flows.monitor.settings import MonitorSettings
from flows.orchestration.artifacts import artifact_key, show_markdown, show_table
from flows.orchestration.tasks import is_transient, task
from flows.prepare.credentials import database_url
from flows.registry import models as registry
from flows.registry.models import RegisteredModel
from flows.tracking.store import check_tracking, store_exists
from flows.tracking.tracking import Tracker
from ncf.content import flatten
from ncf.data.filters import filter_ratings
from ncf.errors import DataError
from ncf.hardware import torch_threads
from ncf.ingest.load import load_ratings
from ncf.monitoring.findings import Findings, measure
from ncf.monitoring.verdict import ExceededThreshold, exceeded_thresholds
from ncf.serving.recommender import Recommender
from ncf.training.devices import check_hardware

NOT_COMPARED = "data.filters.as_of"  # the time of the look, which is another each time


@flow(name="monitor", flow_run_name="monitor {settings.dataset}")
def monitor(settings: MonitorSettings = MonitorSettings()) -> MonitorReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Compare the log with what the champion was trained on, keep the figures, and tell what has changed.

    The flow run ends as Completed, under the name NoChampion, NothingNew, Quiet, Drifted or LogFault.
    """
    check(settings)
    with torch_threads(settings.hardware.scoring_threads):
        report = run(settings)
    get_run_logger().info(report.verdict())
    publish(report)
    state: State[MonitorReport] = Completed(name=report.status, message=report.verdict(), data=report)
    return cast(MonitorReport, state)  # Prefect gives the report to who called


def check(settings: MonitorSettings, retries: int = RETRIES) -> None:
    """Check all but the log: a log that can't be read is a finding.

    Args:
        settings: of the flow.
        retries: how often an MLflow server that does not answer is asked again.

    Raises:
        ConfigError: the hardware is not there, the cache folder can't be written, or its disk is nearly full.
        TrackingError: MLflow does not answer.
    """
    check_hardware(settings.hardware)
    check_tracking(retries)
    check_cache()


def run(settings: MonitorSettings) -> MonitorReport:
    """The look itself."""
    tracker = Tracker(settings.dataset)
    report = look(tracker, settings)
    if report.version is None:
        return report
    return keep_and_tell(tracker, settings, report)


@task("look at the data", retry_if=is_transient)
def look(tracker: Tracker, settings: MonitorSettings) -> MonitorReport:
    """Read the log, compare it with the champion, and judge. A log that can't be read is a finding.

    Raises:
        ModelError: the champion can't be read.
    """
    now = datetime.now(UTC)
    report = MonitorReport(dataset=settings.dataset, checked=now, thresholds=settings.thresholds)
    champion = find_champion(tracker, settings)
    if champion is None:
        return report
    kind = str(champion.bundle.about.get("name", champion.bundle.config.kind))
    report = report.model_copy(update={"version": champion.version, "kind": kind})
    other = otherwise_filtered(tracker, champion, settings)
    try:
        findings = compare(champion, settings)
    except DataError as error:
        unreadable = ExceededThreshold(
            name="unreadable", kind="fault", value=1, threshold=0, words=f"it can't be used: {error}"
        )
        return report.model_copy(update={"passed": [unreadable]})
    passed = [*other, *exceeded_thresholds(findings, settings.thresholds, now)]
    return report.model_copy(update={"findings": findings, "passed": passed})


def find_champion(tracker: Tracker, settings: MonitorSettings) -> RegisteredModel | None:
    """The champion; a store that is not there has none, and is not made for the question."""
    return registry.champion(tracker, settings.model_name) if store_exists(tracker.uri) else None


def compare(champion: RegisteredModel, settings: MonitorSettings) -> Findings:
    """Measure everything.

    Raises:
        DataError: the log is not there, is not what it should be, or nothing is left of it.
    """
    source = settings.log_source
    ratings = load_ratings(source, database_url=database_url(source))
    log = filter_ratings(ratings, settings.data.filters, settings.data.feedback)
    recommender = Recommender(champion.bundle, memory_mb=settings.hardware.scoring_memory_mb)
    return measure(log, recommender, settings.window_days)


def otherwise_filtered(
    tracker: Tracker, champion: RegisteredModel, settings: MonitorSettings
) -> list[ExceededThreshold]:
    """A fault if the champion's log was filtered by other settings, for then what is new is not."""
    params = tracker.client.get_run(champion.run_id).data.params
    ours = flatten({"data": settings.data.model_dump(mode="json", include={"feedback", "filters"})})
    theirs = {name: params.get(name, "None") for name in ours}
    differ = [
        f"{name} {theirs[name]}, now {value}"
        for name, value in ours.items()
        if name != NOT_COMPARED and params and theirs[name] != str(value)
    ]
    if not differ:
        return []
    words = f"it is read by other settings than the champion's was ({'; '.join(differ)})"
    return [ExceededThreshold(name="settings", kind="fault", value=len(differ), threshold=0, words=words)]


@task("keep and tell", retry_if=is_transient)
def keep_and_tell(tracker: Tracker, settings: MonitorSettings, report: MonitorReport) -> MonitorReport:
    """Put the look into MLflow, and emit what is news of it."""
    kept = report.model_copy(update={"run_id": monitor_runs.keep(tracker, report)})
    said = drift.tell(tracker, settings.model_name, kept, settings.thresholds.again)
    done = kept.model_copy(update={"said": said})
    monitor_runs.describe(tracker, done)
    return done


def publish(report: MonitorReport) -> None:
    """Show the result in the Prefect UI."""
    show_markdown(artifact_key(report.dataset, "monitor"), report.markdown(), report.verdict())
    if report.findings is not None:
        show_table(artifact_key(report.dataset, "changes"), report.table_rows(), report.verdict())
