"""Tasks: confirm the winner of a search with other seeds, and store the tuned settings."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from mlflow.entities import Run
from mlflow.utils.git_utils import get_git_commit
from prefect.logging import get_run_logger
from pytorch_lightning.loggers import MLFlowLogger

from flows.charts.chart import BLUE, GREY, Chart, Kind, Panel, Series
from flows.charts.page import html_page
from flows.charts.png import png
from flows.orchestration.artifacts import artifact_key, show_markdown
from flows.orchestration.locks import global_lock
from flows.orchestration.tasks import task
from flows.retrain.train import checkpoint_folder, remove_checkpoints
from flows.tracking import BEST_EPOCH, BEST_VALIDATION, COMPLETE, EPOCHS, MODEL, SECONDS
from flows.tracking.store import global_store
from flows.tracking.tracker import ModelRun, Tracker
from flows.tracking.tuned_settings import TUNED, Gain, Tuned
from flows.tune.report import ModelReport, tried_values
from flows.tune.search import LOCK_SECONDS, Search, ended_trials
from flows.tune.trials import TrialRuns
from ncf import __version__
from ncf.config import Recipe, content_key, flatten
from ncf.data import USER_ID
from ncf.errors import ModelError
from ncf.evaluation.comparison import PROMOTION_METRIC
from tuning.confirm import Confirmation, Confirmed, compare_with_base, confirm_one, confirmation_seeds
from tuning.problem import Problem
from tuning.summary import StudySummary, figures, summarize

CONFIRM = "confirm-"  # prefix of the tag ncf.model of confirming runs
VALIDATION, NDCG = "validation_users.csv", "ndcg_at_10"
SCORE = f"{BEST_VALIDATION}/{PROMOTION_METRIC}"
CONCLUDED = "ncf.concluded"  # tag: the numbers of trials and confirming seeds of the result
STUDY_PAGE, FRONT = "study.html", "pareto.png"
SECOND = {"seconds": "seconds of training", "size": "number of weights"}


@task("finish", "finish {search.problem.model}")
def finish_search(tracker: Tracker, search: Search, confirm_seeds: int) -> ModelReport:
    """Confirm the winner and store the tuned settings, unless another process has done so for the same trials."""
    with global_lock(search.lock, LOCK_SECONDS):
        summary = summarize(search.handle)
        basis = f"{ended_trials(summary)} trials, {confirm_seeds} seeds"
        run = tracker.client.get_run(search.run_id)
        if COMPLETE in run.data.tags and run.data.tags.get(CONCLUDED) == basis:
            return read_report(tracker, run)
        with finishing(tracker, search.run_id):
            TrialRuns(tracker, search.run_id, search.problem).repair(summary.outcomes)
            report = confirm_winner(tracker, search, summary, confirm_seeds)
            log_report(tracker, search, summary, report, basis)
    publish(report)
    return report


@contextmanager
def finishing(tracker: Tracker, run_id: str) -> Iterator[None]:
    """Mark the MLflow run as running; after an error, it and its open confirming runs as FAILED or KILLED."""
    tracker.resume(run_id)
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


def read_report(tracker: Tracker, run: Run) -> ModelReport:
    """The stored result of a finished search."""
    run_id = str(run.info.run_id)
    get_run_logger().info("this search is already finished, in MLflow run %s", run_id)
    if run.info.status != "FINISHED":
        tracker.client.set_terminated(run_id)
    return ModelReport(run_id=run_id, tuned=Tuned.model_validate(tracker.files.read_json(run_id, TUNED)))


def confirm_winner(tracker: Tracker, search: Search, summary: StudySummary, confirm_seeds: int) -> ModelReport:
    """Train the winner and the settings of trial 0 with other seeds, and decide which to use.

    Raises:
        ModelError: no trial is complete.
    """
    if summary.best is None or summary.recipe is None:
        reasons = [outcome.reason for outcome in summary.outcomes if outcome.reason]
        raise ModelError(
            f"no trial of {search.handle.name} is complete",
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
        tried=tried_values(summary.outcomes, list(problem.space)),
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
        storage=search.handle.database.location,
        fingerprint=problem.data.fingerprint,
        ncf_version=__version__,
        commit=get_git_commit(str(Path.cwd())),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def log_report(tracker: Tracker, search: Search, summary: StudySummary, report: ModelReport, basis: str) -> None:
    """Write the result into the MLflow run, in place of an earlier one."""
    run_id, tuned = search.run_id, report.tuned
    tracker.reopen(run_id)  # the run is not complete while its files are written
    tracker.files.log_json(run_id, tuned.model_dump(mode="json"), TUNED)
    tracker.files.log_text(run_id, study_page(search, report), STUDY_PAGE)
    if summary.pareto:
        tracker.files.log_bytes(run_id, png(front_chart(search, summary)), FRONT)
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
    tracker.set_tags(run_id, {CONCLUDED: basis})
    tracker.finish(run_id)


def study_page(search: Search, report: ModelReport) -> str:
    """All figures of the study on one page that needs no network."""
    intro = f"<p>{report.verdict()}</p>{report.table().html()}<p>Trials: {report.counts()}.</p>"
    sections = {name.replace("_", " ").capitalize(): figure for name, figure in figures(search.handle).items()}
    return html_page(f"Study {search.handle.name}", intro, sections)


def front_chart(search: Search, summary: StudySummary) -> Chart:
    """The trials by both objectives, and the Pareto front as steps."""
    on_front = {outcome.number for outcome in summary.pareto}
    points = {
        outcome.number: (outcome.second, outcome.score)
        for outcome in summary.outcomes
        if outcome.state == "complete" and outcome.second is not None and outcome.score is not None
    }
    others = [point for number, point in points.items() if number not in on_front]
    front = sorted(point for number, point in points.items() if number in on_front)
    series = [_trials("beaten by another in both", GREY, others, "points"), _trials("the front", BLUE, front, "steps")]
    x_label = SECOND[search.problem.second or "seconds"]
    panel = Panel("", [one for one in series if one.x], x_label=x_label, y_label="validation NDCG@10")
    return Chart(f"{search.handle.name}: what no other trial beats in both", [panel])


def _trials(name: str, color: str, points: Sequence[tuple[float, float]], kind: Kind) -> Series:
    return Series(name, color, [second for second, _ in points], [score for _, score in points], kind)


def publish(report: ModelReport) -> None:
    """Show the result in the Prefect UI."""
    key = artifact_key(report.tuned.dataset, report.tuned.model, "tuned")
    show_markdown(key, report.markdown(), report.verdict())


def confirm(tracker: Tracker, parent_id: str, problem: Problem, winner: Recipe, seeds: tuple[int, ...]) -> Confirmation:
    """Compare the winner with the settings that the search began with; no finished training is repeated."""
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
    """Train one recipe with one seed in its own MLflow run."""
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
    _log(tracker, run_id, problem, confirmed)
    return confirmed


def _log(tracker: Tracker, run_id: str, problem: Problem, confirmed: Confirmed) -> None:
    """Store the value of every user, so that an interrupted comparison can continue without training."""
    users = problem.data.user_ids[problem.data.validation.pairs.users]
    values = confirmed.values  # noqa: PD011 (no frame's)
    tracker.files.log_table(run_id, pd.DataFrame({USER_ID: users, NDCG: values}), VALIDATION)
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
        values=tracker.files.read_table(done.run_id, VALIDATION)[NDCG].to_numpy(),
        score=done.metrics[SCORE],
        epochs=int(done.metrics[EPOCHS]),
        best_epoch=int(done.metrics[BEST_EPOCH]),
        seconds=done.metrics[SECONDS],
    )
