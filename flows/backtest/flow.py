"""Flow: replay a log by time, and compare schedules of retraining. `python -m flows.backtest --help`."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from mlflow.entities import Run
from prefect import flow
from prefect.logging import get_run_logger
from pydantic import JsonValue

from flows.backtest.charts import page_sections, picture, window_panels
from flows.backtest.replay import Trained, Windows, day_of, score_window, train_as_of
from flows.backtest.report import BacktestReport, Scores, summarize
from flows.backtest.settings import BacktestSettings
from flows.charts.page import html_page
from flows.charts.png import png
from flows.cli.next_command import command, command_line, look_at
from flows.orchestration.artifacts import Progress, artifact_key, show_markdown, show_table
from flows.orchestration.tasks import is_transient, task
from flows.prepare.flow import database_url
from flows.retrain.resolve_settings import check_training
from flows.tracking import COMPLETE
from flows.tracking.tracker import Tracker
from ncf import __version__
from ncf.backtest.plan import Plan, check_number, make_plan
from ncf.backtest.replay import Replay
from ncf.backtest.scoring import HR, NDCG
from ncf.config import content_key, flatten
from ncf.data.times import microseconds_of
from ncf.files import new_file
from ncf.hardware import torch_threads
from ncf.ingest.load import load_ratings

REPORT, PAGE, PICTURE = "report.json", "backtest.html", "backtest.png"
MEAN = "backtest_mean"


@flow(name="backtest", flow_run_name="backtest {settings.model} on {settings.dataset}")
def backtest(settings: BacktestSettings = BacktestSettings()) -> BacktestReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Train at each moment of each policy, and score in every window the model that would have served then."""
    check_training(settings)
    with torch_threads(settings.hardware.scoring_threads):
        report = run(settings, *read_log(settings))
    publish(report)
    return report.model_copy(update={"next_steps": next_steps(settings, Tracker(settings.dataset), report.run_id)})


def next_steps(settings: BacktestSettings, tracker: Tracker, run_id: str) -> dict[str, str]:
    """What to do next, by its purpose."""
    days = settings.window_days
    policies: list[JsonValue] = [f"{days}d", f"{2 * days}d", "never"]
    other = "neumf" if settings.model != "neumf" else "gmf"
    return {
        "Look at the curves": look_at(tracker.uri, f"{tracker.page(run_id)}/artifacts/{PAGE}"),
        "Other policies": command("backtest", settings, {"policies": policies}),
        "Another model": command("backtest", settings, {"model": other}),
        "See every setting": command_line("backtest", "--help"),
    }


@task("read log", retry_if=is_transient)
def read_log(settings: BacktestSettings) -> tuple[Replay, Plan]:
    """Read and check the log, and plan the windows and the trainings."""
    source = settings.log_source
    replay = Replay.of(settings.dataset, load_ratings(source, database_url=database_url(source)), settings.data)
    start = None if settings.start is None else microseconds_of(settings.start)
    plan = make_plan(replay.span, settings.schedule, settings.window_days, start)
    check_number(plan, replay.span, start, settings.most_trainings)
    trainings = ", ".join(f"{policy.name} {len(plan.moments(policy))}" for policy in plan.policies)
    get_run_logger().info(
        "%s windows of %s days, %s to %s; trainings: %s, %s in all",
        *(len(plan.windows), settings.window_days, day_of(plan.windows[0].begin), day_of(plan.windows[-1].end)),
        *(trainings, len(plan.every_moment())),
    )
    return replay, plan


def run(settings: BacktestSettings, replay: Replay, plan: Plan) -> BacktestReport:
    """The backtest itself; what is finished already is not computed again."""
    tracker = Tracker(settings.dataset)
    key = content_key(settings.replayed(), replay.fingerprint, __version__)
    earlier = tracker.newest_run(key)
    if earlier is not None and COMPLETE in earlier.data.tags and not settings.force:
        return read_report(tracker, settings, earlier)
    total = len(plan.every_moment()) + len(plan.windows)
    with open_run(tracker, key, earlier, settings, replay) as run_id:
        artifact = artifact_key(settings.dataset, "backtest", "progress")
        with Progress(artifact, "backtest", total, unit="steps", terminal="bar") as progress:
            scores, trained, plan = replay_windows(tracker, run_id, settings, replay, plan, progress)
        report = summarize(run_id, settings, replay, plan, scores, trained)
        log_report(tracker, settings, plan, scores, report)
        tracker.finish(run_id)
    copy_picture(tracker, settings, run_id)
    return report


def replay_windows(
    tracker: Tracker, run_id: str, settings: BacktestSettings, replay: Replay, plan: Plan, progress: Progress
) -> tuple[Scores, dict[int, Trained], Plan]:
    """Window by window: train what is due by its beginning, judge it, then score every policy in it.

    Returns:
        The values of each user by window, the models by moment, and the plan with what passed the gates.
    """
    windows = Windows(tracker, run_id, replay, plan, settings.hardware.scoring_memory_mb)
    trained: dict[int, Trained] = {}
    scores = []
    for window in plan.windows:
        first_day = day_of(window.begin)
        for moment in plan.every_moment():
            if moment <= window.begin and moment not in trained:
                trained[moment] = train_as_of(tracker, run_id, settings, replay, moment, day_of(moment))
                if len(trained) == 1:
                    tell_duration(replay, plan, trained[moment].seconds)
                progress.advance(1, f"backtest, trained as of {day_of(moment)}")
        frame = score_window(windows, window, trained, first_day)
        scores.append((window, frame))
        progress.advance(1, f"backtest, scored the window from {first_day}, {len(frame)} users")
    return scores, trained, windows.plan


def tell_duration(replay: Replay, plan: Plan, seconds: float) -> None:
    """Log how many trainings are still to come, and about how long they take if the time grows with the log.

    Args:
        replay: the log.
        plan: the moments.
        seconds: of the first training.
    """
    moments = plan.every_moment()
    rows, more = np.searchsorted(np.sort(replay.log.times), moments), len(moments) - 1
    minutes = seconds * float(rows[1:].sum() / rows[0]) / 60
    if more:
        get_run_logger().info(
            "the first training took %.0f s; %d more training%s, about %s, unless made by an earlier backtest",
            *(seconds, more, "s" * (more > 1), "a minute" if minutes < 1.5 else f"{minutes:,.0f} minutes"),
        )


@contextmanager
def open_run(
    tracker: Tracker, key: str, earlier: Run | None, settings: BacktestSettings, replay: Replay
) -> Iterator[str]:
    """Continue an interrupted parent run with the same settings and log, or start one."""
    if earlier is not None and COMPLETE not in earlier.data.tags:
        run_id = str(earlier.info.run_id)
        tracker.resume(run_id)
        get_run_logger().info("continuing the interrupted backtest, MLflow run %s", run_id)
    else:
        source = settings.log_source.model_dump(mode="json")
        run_id = tracker.start_parent(
            key, replay.fingerprint, flatten({"source": source, **settings.replayed()}), "backtest"
        )
    with tracker.interrupted_on_error(run_id):
        yield run_id


def log_report(
    tracker: Tracker, settings: BacktestSettings, plan: Plan, scores: Scores, report: BacktestReport
) -> None:
    """Write the report, the picture and the page into the MLflow run."""
    run_id = report.run_id
    for row in report.rows:
        figures = {f"full/{HR}": row.hr.value, f"full/{NDCG}": row.ndcg.value, "seconds": row.seconds}
        figures |= {"trainings": float(row.trainings)} | ({} if row.known is None else {"known_users": row.known})
        tracker.log_metrics(run_id, {f"{MEAN}/{row.name}/{key}": value for key, value in figures.items()})
    panels = window_panels(plan, [(window, frame) for window, frame in scores if len(frame)])
    title = f"{settings.dataset}, {settings.model}: what a schedule buys"
    tracker.files.log_bytes(run_id, png(picture(title, panels)), PICTURE)
    intro = f"<p>{report.verdict()}</p><p>{report.about()}</p>" + "<br>".join(table.html() for table in report.tables())
    page = html_page(f"Backtest of {report.dataset}", intro, page_sections(panels))
    tracker.files.log_text(run_id, page, PAGE)
    tracker.files.log_json(run_id, report.model_dump(mode="json"), REPORT)
    tracker.set_notes(run_id, report.markdown())


def read_report(tracker: Tracker, settings: BacktestSettings, earlier: Run) -> BacktestReport:
    """The report of a complete backtest."""
    run_id = str(earlier.info.run_id)
    get_run_logger().info("nothing has changed since MLflow run %s, so nothing is computed", run_id)
    copy_picture(tracker, settings, run_id)
    return BacktestReport.model_validate(tracker.files.read_json(run_id, REPORT)).model_copy(update={"trained": False})


def copy_picture(tracker: Tracker, settings: BacktestSettings, run_id: str) -> None:
    """Copy the picture to the file of the setting `picture`."""
    if settings.picture is None:
        return
    with new_file(settings.picture) as building:
        building.write_bytes(tracker.files.read_bytes(run_id, PICTURE))


def publish(report: BacktestReport) -> None:
    """Show the result in the Prefect UI."""
    show_table(artifact_key(report.dataset, "backtest", "policies"), report.policies().records(), report.verdict())
    show_markdown(artifact_key(report.dataset, "backtest", "report"), report.markdown(), report.verdict())
