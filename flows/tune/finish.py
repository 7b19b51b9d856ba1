"""Tasks: the winner of a search and the settings it began with, trained again with other seeds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.utils.git_utils import get_git_commit
from prefect.logging import get_run_logger
from pytorch_lightning.loggers import MLFlowLogger

from flows.charts.page import html_page, html_table
from flows.charts.pictures import draw_front
from flows.orchestration.artifacts import artifact_key, show_markdown
from flows.orchestration.locks import global_lock
from flows.orchestration.tasks import task
from flows.retrain.train import checkpoint_folder, remove_checkpoints
from flows.tracking.keys import BEST_EPOCH, BEST_VALIDATION, EPOCHS, SECONDS
from flows.tracking.store import global_store
from flows.tracking.tracking import COMPLETE, MODEL, ModelRun, Tracker
from flows.tracking.tuned_settings import TUNED, Gain, Tuned
from flows.tune.report import ModelReport, ended_trials
from flows.tune.search import LOCK_SECONDS, Search
from flows.tune.trials import TrialRuns
from ncf import __version__
from ncf.content import content_key, flatten
from ncf.data.columns import USER_ID
from ncf.errors import ModelError
from ncf.evaluation.comparison import PROMOTION_METRIC
from tuning.confirm import Confirmation, Confirmed, compare_with_base, confirm_one, confirmation_seeds
from tuning.observer import Recipe
from tuning.problem import Problem
from tuning.summary import StudySummary, figures, summarize

CONFIRM = "confirm-"  # begins the tag ncf.model of these runs
VALIDATION, NDCG = "validation_users.csv", "ndcg_at_10"
SCORE = f"{BEST_VALIDATION}/{PROMOTION_METRIC}"


def confirm(tracker: Tracker, parent_id: str, problem: Problem, winner: Recipe, seeds: tuple[int, ...]) -> Confirmation:
    """Compare the winner with the settings that the search began with. What is trained already is not trained again."""
    base = [confirm_training(tracker, parent_id, problem, problem.recipe, "default", seed) for seed in seeds]
    if winner == problem.recipe:
        return compare_with_base(base, base)
    return compare_with_base(
        [confirm_training(tracker, parent_id, problem, winner, "winner", seed) for seed in seeds],
        base,
    )


@task("confirm", "confirm {role}, seed {seed}")
def confirm_training(
    tracker: Tracker, parent_id: str, problem: Problem, recipe: Recipe, role: str, seed: int
) -> Confirmed:
    """Train one recipe with one seed, in an MLflow run of its own."""
    key = f"{CONFIRM}{content_key(recipe.model_dump(mode='json'), seed)}"
    done = tracker.find_model(parent_id, key)
    if done is not None:
        return _read(tracker, done, seed)
    run_id = tracker.resume_model(parent_id, key, lambda run_id: checkpoint_folder(run_id).exists())
    settings = flatten({"seed": seed} | recipe.model_dump(mode="json"))
    title = f"confirm {role}, seed {seed}"
    run_id = run_id or tracker.start_model(parent_id, key, settings, problem.data, title)
    with global_store(tracker.uri):
        confirmed = confirm_one(
            problem,
            recipe,
            seed,
            loggers=[MLFlowLogger(tracker.dataset, tracking_uri=tracker.uri, run_id=run_id)],
            checkpoint_folder=checkpoint_folder(run_id),
            title=f"{problem.model}, {title}",
        )
    get_run_logger().info("%s: validation NDCG@10 %.4f", title, confirmed.score)
    _keep(tracker, run_id, problem, confirmed)
    return confirmed


def _keep(tracker: Tracker, run_id: str, problem: Problem, confirmed: Confirmed) -> None:
    """The value of every user, so that a comparison that was interrupted need not train again."""
    users = problem.data.user_ids[problem.data.validation.pairs.users]
    values = confirmed.values  # noqa: PD011 (no frame's)
    tracker.artifacts.log_table(run_id, pd.DataFrame({USER_ID: users, NDCG: values}), VALIDATION)
    figures = {
        SCORE: confirmed.score,
        EPOCHS: confirmed.epochs,
        BEST_EPOCH: confirmed.best_epoch,
        SECONDS: confirmed.seconds,
    }
    tracker.log_metrics(run_id, {name: float(value) for name, value in figures.items()})
    tracker.finish(run_id)
    remove_checkpoints(run_id)


def _read(tracker: Tracker, done: ModelRun, seed: int) -> Confirmed:
    return Confirmed(
        seed=seed,
        values=tracker.artifacts.read_table(done.run_id, VALIDATION)[NDCG].to_numpy(),
        score=done.metrics[SCORE],
        epochs=int(done.metrics[EPOCHS]),
        best_epoch=int(done.metrics[BEST_EPOCH]),
        seconds=done.metrics[SECONDS],
    )


CONCLUDED = "ncf.concluded"  # what the conclusion is of: ended trials, confirming seeds
STUDY_PAGE, FRONT = "study.html", "pareto.png"
SECOND = {"seconds": "seconds of training", "size": "number of weights"}


@task("conclude", "conclude {search.problem.model}")
def conclude_search(tracker: Tracker, search: Search, confirm_seeds: int) -> ModelReport:
    """Confirm the winner and keep the tuned settings, unless another process has done so for the same trials."""
    with global_lock(search.lock, LOCK_SECONDS):
        summary = summarize(search.handle)
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
        storage=search.handle.location,
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
