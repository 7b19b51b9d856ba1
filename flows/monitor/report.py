"""What a monitoring found: as a report for people, and as drift events for automations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from mlflow.entities.model_registry import ModelVersion
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import get_current_settings
from pydantic import BaseModel, ValidationError
from rich.console import Console

from flows.charts.chart import TextTable
from flows.cli.next_command import command_line
from flows.orchestration.tasks import DRIFTED, FAULTY, dataset_resource, version_resource
from flows.tracking.tracker import Tracker
from ncf.monitoring.accuracy import Accuracy
from ncf.monitoring.config import ThresholdConfig
from ncf.monitoring.findings import Findings
from ncf.monitoring.verdict import ExceededThreshold, Kind, LastEvent, is_news

HEADER = ("what", "before", "since", "threshold")
NONE = "-"
EVENTS: dict[Kind, str] = {"drift": DRIFTED, "fault": FAULTY}
MEMORY: dict[Kind, str] = {kind: f"ncf.told.{kind}" for kind in EVENTS}  # tags of the version, with JSON values


def rows_of(findings: Findings, thresholds: ThresholdConfig) -> list[list[str]]:
    """One row per figure: its name, the champion's data, the new data, and the threshold."""
    newcomers, known = findings.newcomers, f"{findings.known:,}"
    late = f", {findings.late:,} late" if findings.late else ""
    rows = [
        ["interactions", known, f"{findings.new:,} new{late}", _limit(thresholds.growth, "+{:.0%}")],
        ["no longer in the log", NONE, f"{findings.lost:,}", _limit(thresholds.lost, "{:.1%}")],
        ["newest interaction", *_times(findings), _limit(thresholds.silence_hours, "{:g} hours ago")],
        ["unknown users", NONE, f"{newcomers.users:,}", NONE],
        _share("unknown users", newcomers.user_share, thresholds.unknown_users),
        ["unknown items", NONE, f"{newcomers.items:,}", NONE],
        _share("unknown items", newcomers.item_share, thresholds.unknown_items),
    ]
    if findings.shift:
        by_chance = f"{findings.shift.by_chance:.3f} by chance"
        rows.append(["popularity shift (PSI)", by_chance, f"{findings.shift.psi:.3f}", _limit(thresholds.psi, "{:g}")])
    if findings.activity:
        one, factor = findings.activity, _limit(thresholds.activity_factor, "x {0:g} or / {0:g}")
        rows.append(["interactions a day", f"{one.per_day_before:,.1f}", f"{one.per_day_after:,.1f}", factor])
        rows.append(["by an active user", f"{one.per_user_before:.1f}", f"{one.per_user_after:.1f}", NONE])
    return [*rows, *(_accuracy(findings.accuracy, thresholds) if findings.accuracy else ())]


def _accuracy(accuracy: Accuracy, thresholds: ThresholdConfig) -> list[list[str]]:
    then = NONE if accuracy.at_training is None else f"test {accuracy.at_training:.4f}"
    below = "0" if thresholds.below_popularity else NONE
    return [
        ["users whose next item is known", NONE, f"{accuracy.users:,}", NONE],
        ["HR@10 of the next item", NONE, str(accuracy.hr), NONE],
        ["NDCG@10 of the next item", then, str(accuracy.ndcg), _limit(thresholds.accuracy_share, "x {:g}")],
        ["HR@10 of popular items", NONE, str(accuracy.popularity_hr), NONE],
        ["NDCG@10 of popular items", NONE, str(accuracy.popularity_ndcg), NONE],
        ["NDCG@10 above popular items", NONE, f"{accuracy.gain.value:+.4f} ±{accuracy.gain.half_width:.4f}", below],
    ]


def _share(of: str, share: float, limit: float | None) -> list[str]:
    return [f"share of {of}", NONE, f"{share:.1%}", _limit(limit, "{:.0%}")]


def _times(findings: Findings) -> tuple[str, str]:
    before, since = (
        NONE if time is None else f"{time:%Y-%m-%d %H:%M}" for time in (findings.last_time, findings.newest_time)
    )
    return before, since


def _limit(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)


Status: TypeAlias = Literal["NoChampion", "LogFault", "NothingNew", "Quiet", "Drifted"]


class MonitorReport(BaseModel):
    """The result of one check.

    Attributes:
        dataset: the data set's name.
        checked: time of the check.
        version, kind: the champion and its model; None and empty if there is none.
        thresholds: of the settings.
        findings: None without a champion, or if the log can't be read.
        passed: thresholds that are passed, faults first.
        said: what was done about it, as a sentence.
        run_id, look: MLflow's run, and where it is seen; empty without a champion.
        retraining: the command that retrains on the same data.
    """

    dataset: str
    checked: datetime
    version: int | None = None
    kind: str = ""
    thresholds: ThresholdConfig = ThresholdConfig()
    findings: Findings | None = None
    passed: list[ExceededThreshold] = []
    said: str = ""
    run_id: str = ""
    look: str = ""
    retraining: str = ""

    def of_kind(self, kind: Literal["drift", "fault"]) -> list[ExceededThreshold]:
        """The passed thresholds of a kind."""
        return [one for one in self.passed if one.kind == kind]

    @property
    def status(self) -> Status:
        """The result in a word, which is also the name of the flow run's state."""
        if self.version is None:
            return "NoChampion"
        if self.of_kind("fault"):
            return "LogFault"
        if self.of_kind("drift"):
            return "Drifted"
        return "Quiet" if self.findings is not None and self.findings.new else "NothingNew"

    def verdict(self) -> str:
        """The result in a few sentences."""
        since = f"since the champion, version {self.version} ({self.kind}), was trained"
        words = "; ".join(one.words for one in self.passed)
        match self.status:
            case "NoChampion":
                return f"{self.dataset} has no champion to compare the log with: {self.retraining}"
            case "LogFault":
                return f"The log of {self.dataset} looks damaged: {words}. {self.said}".strip()
            case "Drifted":
                return f"{self.dataset} has changed {since}: {words}. {self.said}".strip()
            case "NothingNew":
                return f"Nothing new {since}."
        new = 0 if self.findings is None else self.findings.new
        if new < self.thresholds.min_interactions:
            few = f"fewer than the {self.thresholds.min_interactions:,} that a verdict needs"
            return f"{new:,} new interactions {since}, {few}."
        return f"{new:,} new interactions {since}; no threshold is passed."

    def metrics(self) -> dict[str, float]:
        """All figures, and the numbers of passed thresholds."""
        passed = {f"{kind}s_passed": float(len(self.of_kind(kind))) for kind in ("drift", "fault")}
        return (self.findings.figures() if self.findings else {}) | passed

    def table(self) -> TextTable | None:
        """The figures before and since the champion's training, or None without findings."""
        return None if self.findings is None else TextTable(HEADER, rows_of(self.findings, self.thresholds))

    def markdown(self) -> str:
        """For Prefect's markdown artifact and the notes of MLflow's run."""
        table = self.table()
        passed = "\n".join(f"- **{one.name}**: {one.words}" for one in self.passed)
        parts = [f"**{self.verdict()}**", passed, table.markdown() if table else ""]
        return "\n\n".join([*filter(None, parts), f"Checked {self.checked:%Y-%m-%d %H:%M:%S} UTC."]) + "\n"

    def show(self, console: Console) -> None:
        """Print the table, the verdict, and what to do next."""
        table = self.table()
        if table is not None:
            console.print(table.terminal(f"{self.dataset} since version {self.version} ({self.kind}) was trained"))
        console.print(self.verdict(), highlight=False, markup=False)
        if self.version is not None:
            steps = {
                "See all checks over time": self.look,
                "Retrain": self.retraining,
                "See every threshold": command_line("monitor", "--help"),
            }
            lines = [f"{f'{step}:':<26} {line}" for step, line in steps.items()]
            console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)


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
