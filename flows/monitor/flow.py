"""Flow: what has changed in a log since the champion was trained on it. `python -m flows.monitor --help`."""

from datetime import UTC, datetime
from typing import cast

from prefect import State, flow
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows.cli.checks import RETRIES, check_cache
from flows.cli.next_command import command, look_at
from flows.monitor.report import MonitorReport, emit_news
from flows.monitor.settings import MonitorSettings
from flows.orchestration.artifacts import artifact_key, show_markdown, show_table
from flows.orchestration.tasks import is_transient, task
from flows.prepare.flow import database_url
from flows.prepare.settings import DataSettings
from flows.registry.models import RegisteredModel, load_champion
from flows.tracking.store import check_tracking, store_exists
from flows.tracking.tracker import Tracker, milliseconds
from ncf.config import flatten
from ncf.errors import DataError
from ncf.hardware import torch_threads
from ncf.ingest.engine import check_engine
from ncf.ingest.load import load_filtered
from ncf.monitoring.findings import Findings, measure
from ncf.monitoring.verdict import ExceededThreshold, exceeded_thresholds
from ncf.serving.recommender import Recommender
from ncf.training.devices import check_hardware

NOT_COMPARED = "data.filters.as_of"  # the time of the check, which is always another
MONITOR = "ncf.monitor"  # tag of the MLflow run: the champion's version
PREFIX, STEP = "monitor", "monitor/look"
UNLEARNED = {"feedback": {"below_threshold"}}  # which pairs count as new does not depend on it


@flow(name="monitor", flow_run_name="monitor {settings.dataset}")
def monitor(settings: MonitorSettings = MonitorSettings()) -> MonitorReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Compare the log with the champion's training data, log the figures, and emit an event for what has changed.

    The flow run ends as Completed with the name NoChampion, NothingNew, Quiet, Drifted or LogFault.
    """
    check(settings)
    with torch_threads(settings.hardware.scoring_threads):
        report = run(settings)
    get_run_logger().info(report.verdict())
    publish(report)
    state: State[MonitorReport] = Completed(name=report.status, message=report.verdict(), data=report)
    return cast(MonitorReport, state)  # Prefect returns the report to the caller


def check(settings: MonitorSettings, retries: int = RETRIES) -> None:
    """Check all but the log: a log that can't be read is a finding.

    Args:
        settings: of the flow.
        retries: how often an MLflow server that does not answer is asked again.

    Raises:
        ConfigError: the hardware or the engine is not there, the cache folder can't be written, or its disk is full.
        TrackingError: MLflow does not answer.
    """
    check_hardware(settings.hardware)
    check_engine(settings.log_source, settings.engine)
    check_tracking(retries)
    check_cache()


def run(settings: MonitorSettings) -> MonitorReport:
    """The check itself."""
    tracker = Tracker(settings.dataset)
    report = check_data(tracker, settings)
    if report.version is None:
        return report
    return log_and_tell(tracker, settings, report)


@task("check the data", retry_if=is_transient)
def check_data(tracker: Tracker, settings: MonitorSettings) -> MonitorReport:
    """Read the log and compare it with the champion's training data. A log that can't be read is a finding.

    Raises:
        ModelError: the champion can't be read.
    """
    now = datetime.now(UTC)
    retraining = command("retrain", DataSettings.of(settings), {})
    report = MonitorReport(dataset=settings.dataset, checked=now, thresholds=settings.thresholds, retraining=retraining)
    champion = find_champion(tracker, settings)
    if champion is None:
        return report
    kind = str(champion.bundle.about.get("name", champion.bundle.config.kind))
    report = report.model_copy(update={"version": champion.version, "kind": kind})
    settings_fault = changed_filters(tracker, champion, settings)
    try:
        findings = compare(champion, settings)
    except DataError as error:
        unreadable = ExceededThreshold(
            name="unreadable", kind="fault", value=1, threshold=0, words=f"it can't be read: {error}"
        )
        return report.model_copy(update={"passed": [unreadable]})
    passed = [*settings_fault, *exceeded_thresholds(findings, settings.thresholds, now)]
    return report.model_copy(update={"findings": findings, "passed": passed})


def find_champion(tracker: Tracker, settings: MonitorSettings) -> RegisteredModel | None:
    """The champion, or None. A store that does not exist is not created."""
    return load_champion(tracker, settings.model_name) if store_exists(tracker.uri) else None


def compare(champion: RegisteredModel, settings: MonitorSettings) -> Findings:
    """Compute all figures.

    Raises:
        DataError: the log is not there, is not what it should be, or nothing is left of it.
    """
    source = settings.log_source
    filters, feedback = settings.data.filters, settings.data.feedback
    log = load_filtered(source, filters, feedback, settings.engine, database_url=database_url(source)).log
    recommender = Recommender(champion.bundle, memory_mb=settings.hardware.scoring_memory_mb)
    return measure(log, recommender, settings.window_days)


def changed_filters(tracker: Tracker, champion: RegisteredModel, settings: MonitorSettings) -> list[ExceededThreshold]:
    """A fault if the champion's log was filtered by other settings: old interactions would look new."""
    params = tracker.client.get_run(champion.run_id).data.params
    now = flatten({"data": settings.data.model_dump(mode="json", include={"feedback", "filters"}, exclude=UNLEARNED)})
    before = {name: params.get(name, "None") for name in now}
    differ = [
        f"{name} {before[name]}, now {value}"
        for name, value in now.items()
        if name != NOT_COMPARED and params and before[name] != str(value)
    ]
    if not differ:
        return []
    words = f"it is read with other settings than the champion's log ({'; '.join(differ)})"
    return [ExceededThreshold(name="settings", kind="fault", value=len(differ), threshold=0, words=words)]


@task("log and tell", retry_if=is_transient)
def log_and_tell(tracker: Tracker, settings: MonitorSettings, report: MonitorReport) -> MonitorReport:
    """Log the check to MLflow, and emit an event if there is news."""
    run_id = log_metrics(tracker, report)
    report = report.model_copy(update={"run_id": run_id, "look": look_at(tracker.uri, tracker.page(run_id))})
    said = emit_news(tracker, settings.model_name, report, settings.thresholds.again)
    report = report.model_copy(update={"said": said})
    log_report(tracker, report)
    return report


def log_metrics(tracker: Tracker, report: MonitorReport) -> str:
    """Log a check to the run of the champion's version, one step per check; a retry adds none. Returns the run id."""
    run_id = tracker.get_or_create_run(
        MONITOR, str(report.version), f"monitor {report.dataset} version {report.version}"
    )
    steps = {point.timestamp: point.step for point in tracker.client.get_metric_history(run_id, STEP)}
    step = steps.get(milliseconds(report.checked), max(steps.values(), default=0) + 1)
    metrics = {f"{PREFIX}/{name}": value for name, value in report.metrics().items()}
    tracker.log_metrics(run_id, {**metrics, STEP: float(step)}, step=step, time=report.checked)
    return run_id


def log_report(tracker: Tracker, report: MonitorReport) -> None:
    """Replace the run's files and notes by those of the newest check."""
    tracker.files.log_json(report.run_id, report.model_dump(mode="json"), "report.json")
    tracker.files.log_text(report.run_id, report.markdown(), "report.md")
    tracker.set_notes(report.run_id, report.markdown())
    tracker.client.set_terminated(report.run_id)


def publish(report: MonitorReport) -> None:
    """Show the result in the Prefect UI."""
    show_markdown(artifact_key(report.dataset, "monitor"), report.markdown(), report.verdict())
    table = report.table()
    if table is not None:
        show_table(artifact_key(report.dataset, "changes"), table.records(), report.verdict())
