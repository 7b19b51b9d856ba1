"""The looks at one champion's data as one MLflow run: its metrics are series, one step a look."""

from flows.monitor.report import MonitorReport
from flows.tracking.experiment import milliseconds
from flows.tracking.tracking import Tracker

MONITOR = "ncf.monitor"  # tag of the run: the champion's version
PREFIX, LOOK = "monitor", "monitor/look"


def keep(tracker: Tracker, report: MonitorReport) -> str:
    """Add a look to the run of the champion's version, once however often it is tried. Returns the run id."""
    run_id = tracker.tagged_run(MONITOR, str(report.version), f"monitor {report.dataset} version {report.version}")
    before = {point.timestamp: point.step for point in tracker.client.get_metric_history(run_id, LOOK)}
    look = before.get(milliseconds(report.checked), max(before.values(), default=0) + 1)
    figures = {f"{PREFIX}/{name}": value for name, value in metrics_of(report).items()}
    tracker.log_metrics(run_id, {**figures, LOOK: float(look)}, step=look, time=report.checked)
    return run_id


def describe(tracker: Tracker, report: MonitorReport) -> None:
    """Make the newest report the run's files and notes."""
    tracker.artifacts.log_json(report.run_id, report.model_dump(mode="json"), "report.json")
    tracker.artifacts.log_text(report.run_id, report.markdown(), "report.md")
    tracker.set_notes(report.run_id, report.markdown())
    tracker.client.set_terminated(report.run_id)


def metrics_of(report: MonitorReport) -> dict[str, float]:
    """The figures, and how many thresholds are passed."""
    passed = {f"{kind}s_passed": float(len(report.of_kind(kind))) for kind in ("drift", "fault")}
    return (report.findings.figures() if report.findings else {}) | passed
