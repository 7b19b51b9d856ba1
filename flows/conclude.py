"""Task: believe the winner of a search or not, and keep what was found. Done once for the trials that there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.utils.git_utils import get_git_commit
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.confirm import CONFIRM, confirm
from flows.locks import global_lock
from flows.page import html_page, html_table
from flows.pictures import draw_front
from flows.progress import ended_trials
from flows.search import LOCK_SECONDS, Search
from flows.shown import artifact_key, show_markdown
from flows.tracking import COMPLETE, MODEL, Tracker
from flows.trials import TrialRuns
from flows.tune_report import ModelReport
from flows.tuned import TUNED, Gain, Tuned
from ncf import __version__
from ncf.errors import ModelError
from tuning.confirm import Confirmation, confirmation_seeds
from tuning.plots import figures
from tuning.summary import StudySummary, summarise

CONCLUDED = "ncf.concluded"  # what the conclusion is of: ended trials, confirming seeds
STUDY_PAGE, FRONT = "study.html", "pareto.png"
SECOND = {"seconds": "seconds of training", "size": "number of weights"}


@task(name="conclude", task_run_name="conclude {search.problem.model}", cache_policy=NO_CACHE)
def conclude_search(tracker: Tracker, search: Search, confirm_seeds: int) -> ModelReport:
    """Confirm the winner and keep the tuned settings, unless another process has done so for the same trials."""
    with global_lock(search.lock, LOCK_SECONDS):
        summary = summarise(search.handle)
        of = f"{ended_trials(summary)} trials, {confirm_seeds} seeds"
        run = tracker.client.get_run(search.run_id)
        if COMPLETE in run.data.tags and run.data.tags.get(CONCLUDED) == of:
            return report_of(tracker, run)
        with concluding(tracker, search.run_id):
            TrialRuns(tracker, search.run_id, search.problem).repair(summary.outcomes)
            report = find_out(tracker, search, summary, confirm_seeds)
            keep(tracker, search, summary, report, of)
    publish(report)
    return report


@contextmanager
def concluding(tracker: Tracker, run_id: str) -> Iterator[None]:
    """Mark the MLflow run as going on; if this ends before its time, that run and the open confirming ones as such."""
    tracker.resume_retraining(run_id)
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        confirming = [run for run in tracker.nested(run_id) if run.data.tags.get(MODEL, "").startswith(CONFIRM)]
        for run in confirming:
            if COMPLETE not in run.data.tags:
                tracker.client.set_terminated(run.info.run_id, status)
        tracker.client.set_terminated(run_id, status)
        raise


def report_of(tracker: Tracker, run: Run) -> ModelReport:
    """What was concluded before."""
    run_id = str(run.info.run_id)
    get_run_logger().info("this search is concluded already, in MLflow run %s", run_id)
    if run.info.status != "FINISHED":
        tracker.client.set_terminated(run_id)
    return ModelReport(run_id=run_id, tuned=Tuned.model_validate(tracker.artifacts.read_json(run_id, TUNED)))


def find_out(tracker: Tracker, search: Search, summary: StudySummary, confirm_seeds: int) -> ModelReport:
    """Train the winner and the settings of trial 0 with other seeds, and say which to use.

    Raises:
        ModelError: no trial came to its end.
    """
    if summary.best is None or summary.recipe is None:
        reasons = [outcome.reason for outcome in summary.outcomes if outcome.reason]
        raise ModelError(
            f"no trial of {search.handle.name} came to its end",
            got=reasons[-1] if reasons else None,
            do="raise the budget",
        )
    seeds = confirmation_seeds(search.problem, confirm_seeds)
    confirmation = confirm(tracker, search.run_id, search.problem, summary.recipe, seeds)
    return ModelReport(run_id=search.run_id, tuned=tuned_of(search, summary, confirmation))


def tuned_of(search: Search, summary: StudySummary, confirmation: Confirmation) -> Tuned:
    """The tuned settings with their provenance."""
    assert summary.best is not None and summary.recipe is not None and summary.best.score is not None
    problem, believed = search.problem, confirmation.believed
    gmf_mlp = dict(zip(("gmf", "mlp"), problem.parts, strict=True)) if problem.parts else None
    gain = confirmation.gain
    return Tuned(
        model=problem.model,
        dataset=search.job.dataset,
        recipe=(summary.recipe if believed else problem.recipe).model_dump(mode="json"),
        winner=summary.recipe.model_dump(mode="json"),
        base=problem.recipe.model_dump(mode="json"),
        searched=list(problem.space),
        parts={name: part.model_dump(mode="json") for name, part in gmf_mlp.items()} if gmf_mlp else None,
        believed=believed,
        gain=Gain(mean=gain.value, low=gain.low, high=gain.high),
        winner_mean=confirmation.winner.value,
        base_mean=confirmation.base.value,
        score=summary.best.score,
        base_score=summary.default.score if summary.default else None,
        trial=summary.best.number,
        trials=dict(summary.states.items()),
        seed=problem.seed,
        confirm_seeds=list(confirmation.seeds),
        study=search.handle.name,
        storage=search.handle.place,
        fingerprint=problem.data.fingerprint,
        ncf_version=__version__,
        commit=get_git_commit(str(Path.cwd())),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def keep(tracker: Tracker, search: Search, summary: StudySummary, report: ModelReport, of: str) -> None:
    """Write everything into the MLflow run; what an earlier conclusion wrote is replaced."""
    run_id, tuned = search.run_id, report.tuned
    tracker.reopen(run_id)  # while its files are written the run is not complete
    tracker.artifacts.log_json(run_id, tuned.model_dump(mode="json"), TUNED)
    tracker.artifacts.log_text(run_id, study_page(search, report), STUDY_PAGE)
    if summary.pareto:
        tracker.artifacts.log_picture(run_id, picture_of_front(search, summary), FRONT)
    numbers = {
        "tuning/best_ndcg_at_10": tuned.score,
        "tuning/default_ndcg_at_10": tuned.base_score,
        "tuning/confirmed_best_ndcg_at_10": tuned.winner_mean,
        "tuning/confirmed_default_ndcg_at_10": tuned.base_mean,
        "tuning/gain": tuned.gain.mean,
        "tuning/gain_low": tuned.gain.low,
        "tuning/gain_high": tuned.gain.high,
        "tuning/minutes": summary.minutes,
        **{f"tuning/trials_{state}": number for state, number in tuned.trials.items()},
    }
    tracker.log_metrics(run_id, {name: float(value) for name, value in numbers.items() if value is not None})
    tracker.set_notes(run_id, report.markdown())
    tracker.set_tags(run_id, {CONCLUDED: of})
    tracker.finish(run_id)


def study_page(search: Search, report: ModelReport) -> str:
    """All figures of the study on one page that needs no network."""
    intro = f"<p>{report.verdict()}</p>{html_table(report.header, report.rows())}<p>Trials: {report.counts()}.</p>"
    sections = {name.replace("_", " ").capitalize(): figure for name, figure in figures(search.handle).items()}
    return html_page(f"Study {search.handle.name}", intro, sections)


def picture_of_front(search: Search, summary: StudySummary) -> Figure:
    """The trials by both objectives, and the front."""
    on_front = {outcome.number for outcome in summary.pareto}
    points = {
        outcome.number: (outcome.second, outcome.score)
        for outcome in summary.outcomes
        if outcome.state == "complete" and outcome.second is not None and outcome.score is not None
    }
    others = [point for number, point in points.items() if number not in on_front]
    front = [point for number, point in points.items() if number in on_front]
    title = f"{search.handle.name}: what no other trial beats in both"
    labels = (SECOND[search.problem.second or "seconds"], "validation NDCG@10")
    return draw_front(title, labels, others, front)


def publish(report: ModelReport) -> None:
    """Show the result in the Prefect UI."""
    key = artifact_key(report.tuned.dataset, report.tuned.model, "tuned")
    show_markdown(key, report.markdown(), report.verdict())
