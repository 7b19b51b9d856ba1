"""Flow: replay a log by time, and see what a schedule of retraining buys. `python -m flows.backtest --help`."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import Run
from prefect import flow
from prefect.logging import get_run_logger

from flows.backtest.moments import Trained, day_of, train_as_of
from flows.backtest.report import BacktestReport
from flows.backtest.settings import BacktestSettings
from flows.backtest.summarize import PICTURE, REPORT, Judged, conclude, curves, keep
from flows.backtest.windows import Windows, judge_window
from flows.orchestration.artifacts import Progress, artifact_key, show_markdown, show_table
from flows.orchestration.tasks import is_transient, task
from flows.prepare.credentials import database_url
from flows.retrain.checks import check_training
from flows.tracking.tracking import COMPLETE, Tracker
from ncf import __version__
from ncf.backtest.plan import Plan, make_plan
from ncf.backtest.replay import Replay
from ncf.content import content_key, flatten
from ncf.data.times import microseconds_of
from ncf.files import new_file
from ncf.hardware import torch_threads
from ncf.ingest.load import load_ratings


@flow(name="backtest", flow_run_name="backtest {settings.model} on {settings.dataset}")
def backtest(settings: BacktestSettings = BacktestSettings()) -> BacktestReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Train as of each moment of each policy, and judge in every window the model that would have served then."""
    check_training(settings)
    with torch_threads(settings.hardware.scoring_threads):
        report = run(settings, *read_log(settings))
    publish(report)
    return report


@task("read log", retry_if=is_transient)
def read_log(settings: BacktestSettings) -> tuple[Replay, Plan]:
    """Read and check the log, and plan the windows and the trainings."""
    source = settings.log_source
    replay = Replay.of(settings.dataset, load_ratings(source, database_url=database_url(source)), settings.data)
    start = None if settings.start is None else microseconds_of(settings.start)
    plan = make_plan(replay.span, settings.schedule, settings.window_days, start)
    trainings = ", ".join(f"{policy.name} {len(plan.moments(policy))}" for policy in plan.policies)
    get_run_logger().info(
        "%s windows of %s days, %s to %s; trainings: %s, together %s",
        *(len(plan.windows), settings.window_days, day_of(plan.windows[0].begin), day_of(plan.windows[-1].end)),
        *(trainings, len(plan.every_moment())),
    )
    return replay, plan


def run(settings: BacktestSettings, replay: Replay, plan: Plan) -> BacktestReport:
    """The backtest itself; what is finished already is not done again."""
    tracker = Tracker(settings.dataset)
    key = content_key(settings.replayed(), replay.fingerprint, __version__)
    earlier = tracker.newest_retraining(key)
    if earlier is not None and COMPLETE in earlier.data.tags and not settings.force:
        return report_again(tracker, settings, earlier)
    total = len(plan.every_moment()) + len(plan.windows)
    with open_run(tracker, key, earlier, settings, replay) as run_id:
        key = artifact_key(settings.dataset, "backtest", "progress")
        with Progress(key, "backtest", total, unit="steps", terminal="bar") as progress:
            judged, trained = replay_windows(tracker, run_id, settings, replay, plan, progress)
        report = conclude(run_id, settings, replay, plan, judged, trained)
        keep(tracker, report, curves(settings, plan, judged))
        tracker.finish(run_id)
    write_picture(tracker, settings, run_id)
    return report


def replay_windows(
    tracker: Tracker, run_id: str, settings: BacktestSettings, replay: Replay, plan: Plan, progress: Progress
) -> tuple[Judged, dict[int, Trained]]:
    """One window after the other: train what is due by its beginning, then judge every policy in it."""
    windows = Windows(tracker, run_id, replay, plan, settings.hardware.scoring_memory_mb)
    trained: dict[int, Trained] = {}
    judged = []
    for window in plan.windows:
        first_day = day_of(window.begin)
        for moment in plan.every_moment():
            if moment <= window.begin and moment not in trained:
                trained[moment] = train_as_of(tracker, run_id, settings, replay, moment, day_of(moment))
                progress.advance(1, f"backtest, trained as of {day_of(moment)}")
        frame = judge_window(windows, window, trained, first_day)
        judged.append((window, frame))
        progress.advance(1, f"backtest, judged the window from {first_day}, {len(frame)} users")
    return judged, trained


@contextmanager
def open_run(
    tracker: Tracker, key: str, earlier: Run | None, settings: BacktestSettings, replay: Replay
) -> Iterator[str]:
    """The parent run: an interrupted one with the same settings and log goes on, else a new one begins."""
    if earlier is not None and COMPLETE not in earlier.data.tags:
        run_id = str(earlier.info.run_id)
        tracker.resume_retraining(run_id)
        get_run_logger().info("going on with the interrupted backtest, MLflow run %s", run_id)
    else:
        source = settings.log_source.model_dump(mode="json")
        run_id = tracker.start_parent(
            key, replay.fingerprint, flatten({"source": source, **settings.replayed()}), "backtest"
        )
    with tracker.interrupted_on_error(run_id):
        yield run_id


def report_again(tracker: Tracker, settings: BacktestSettings, earlier: Run) -> BacktestReport:
    """The report of a backtest that need not be repeated."""
    run_id = str(earlier.info.run_id)
    get_run_logger().info("nothing has changed since MLflow run %s: no training, no window is judged again", run_id)
    write_picture(tracker, settings, run_id)
    return BacktestReport.model_validate(tracker.artifacts.read_json(run_id, REPORT)).model_copy(
        update={"trained": False}
    )


def write_picture(tracker: Tracker, settings: BacktestSettings, run_id: str) -> None:
    """Copy the picture to where the user wants it."""
    if settings.picture is None:
        return
    with new_file(settings.picture) as building:
        building.write_bytes(tracker.artifacts.read_bytes(run_id, PICTURE))


def publish(report: BacktestReport) -> None:
    """Show the result in the Prefect UI."""
    show_table(artifact_key(report.dataset, "backtest", "policies"), report.table_rows(), report.verdict())
    show_markdown(artifact_key(report.dataset, "backtest", "report"), report.markdown(), report.verdict())
