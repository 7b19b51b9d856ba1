"""Flow: from ratings to a registered champion and its recommendations. `python -m flows.retrain --help`."""

from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed

from flows.cli.checks import RETRIES, check_folder
from flows.cli.next_command import look_at
from flows.orchestration.artifacts import Progress, artifact_key, show_link, show_markdown, show_table
from flows.orchestration.locks import AlreadyRunningError, one_at_a_time
from flows.orchestration.tasks import NEWER_LOG, emit, is_mlflow_outage, task
from flows.prepare.flow import prepare_data
from flows.recommend.flow import sample, write_recommendations
from flows.recommend.settings import RecommendSettings
from flows.registry.models import champion_version
from flows.retrain.comparison import common_metric, log_comparison
from flows.retrain.measure import measure_baselines
from flows.retrain.old_runs import close_abandoned, remove_old_weights
from flows.retrain.promote import (
    best_of,
    caveats,
    compare_with_champion,
    decide_promotion,
    rank_champion,
    register_challenger,
)
from flows.retrain.refit import measure_refold, publish_newest_log, refit_winner
from flows.retrain.report import Report, next_runs, rows_of
from flows.retrain.resolve_settings import ResolvedSettings, check_training, resolve_settings
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import GMF_NAME, MLP_NAME, NEUMF_NAME, PRETRAINED, train_model
from flows.tracking import COMPLETE
from flows.tracking.links import flow_run_note, mlflow_url
from flows.tracking.tracker import ModelRun, Tracker
from ncf import __version__
from ncf.config import content_key, flatten
from ncf.data.prepared import PreparedData
from ncf.data.report import DataReport
from ncf.evaluation.promotion import Decision
from ncf.hardware import torch_threads

REPORT, DATA_REPORT = "report.json", "data_report.md"
UNCHANGED = "Unchanged"  # name of the final state of a retraining that had nothing to do


@flow(name="retrain", flow_run_name="retrain {settings.dataset}, seed {settings.seed}")
def retrain(settings: RetrainSettings = RetrainSettings()) -> Report:  # noqa: B008 (frozen, and Prefect shows it)
    """Train the four models, compare them, register the best, promote it if it is better, and recommend.

    The flow run ends as Cancelled if the data set is being retrained already, and as Completed with the name Unchanged
    if neither data nor settings have changed.
    """
    check(settings)
    try:
        with one_at_a_time(f"retrain-{settings.dataset}", f"a retraining of {settings.dataset}", across_machines=True):
            resolved = resolve_settings(settings)
            with torch_threads(settings.hardware.scoring_threads):
                report = run(resolved)
    except AlreadyRunningError as error:
        get_run_logger().warning(str(error))
        return cast(Report, Cancelled(message=str(error), data=error))  # Prefect raises the error in the caller
    return report if report.trained else cast(Report, Completed(name=UNCHANGED, message=unchanged(report), data=report))


def check(settings: RetrainSettings, retries: int = RETRIES) -> None:
    """Check what `check_training` does, and the folder of the recommendations."""
    check_training(settings, retries)
    check_folder(Path.cwd() / "recommendations", "run in a folder that can be written")


def run(resolved: ResolvedSettings) -> Report:
    """The retraining itself; what is finished already is not computed again."""
    settings = resolved.settings
    if resolved.summary:
        get_run_logger().info(resolved.summary)
    data, about = prepare_data(settings)
    about = with_holdout_note(about, settings)
    tracker = Tracker(settings.dataset)
    run_id, page, is_complete = open_retraining(tracker, resolved, data, about)
    link = artifact_key(settings.dataset, "mlflow"), mlflow_url(tracker.uri, page), "the models compared in MLflow"
    if is_complete:
        show_link(*link, "of the retraining that is still valid")
        return read_report(tracker, run_id, resolved, data).model_copy(update={"look": look_at(tracker.uri, page)})
    progress = Progress(artifact_key(settings.dataset, "progress"), "baselines", total=6, update_seconds=0.0)
    with tracker.interrupted_on_error(run_id):
        show_link(*link, "metrics and learning curves")
        baselines = measure_baselines(tracker, run_id, settings, data)
        models: dict[str, ModelRun] = {}
        for done, name in enumerate((GMF_NAME, MLP_NAME, NEUMF_NAME, PRETRAINED), start=1):
            progress.update(done, f"training {name}")
            pretrained = (models[GMF_NAME], models[MLP_NAME]) if name == PRETRAINED else None
            models[name] = train_model(tracker, run_id, name, settings, data, pretrained=pretrained)
        progress.update(5, "registration, promotion, recommendations")
        report = finish(tracker, run_id, resolved, data, baselines, list(models.values()))
    publish(report)
    progress.update(6, report.verdict())
    return report.model_copy(update={"look": look_at(tracker.uri, page)})


def with_holdout_note(about: DataReport, settings: RetrainSettings) -> DataReport:
    """The report with a note on a holdout of few users, which the log of the run has as well, before any training."""
    least = settings.promotion.minimum_users
    few = {"validation": about.validation, "test": about.test}
    told = " and ".join(f"the {name} holdout has {users:,}" for name, users in few.items() if users < least)
    if not told:
        return about
    note = (
        f"few users: {told}, and fewer than {least} tell little about which model or epoch is better; a longer time "
        "span or leave-one-out (data.split) holds out more"
    )
    get_run_logger().warning(note)
    return about.model_copy(update={"notes": [*about.notes, note]})


@task("open retraining", "open the retraining", retry_if=is_mlflow_outage)
def open_retraining(
    tracker: Tracker, resolved: ResolvedSettings, data: PreparedData, about: DataReport
) -> tuple[str, str, bool]:
    """Continue an interrupted parent run with the same settings and data, or start one.

    Returns:
        The run id, the page of MLflow that compares its models, and whether that retraining is complete, so that there
        is nothing to do.
    """
    key = content_key(resolved.settings.learned(), data.fingerprint, __version__)
    earlier = tracker.newest_run(key)
    if earlier is not None and COMPLETE in earlier.data.tags and not resolved.settings.force:
        run_id = str(earlier.info.run_id)
        return run_id, tracker.share_comparison(run_id), True
    if earlier is not None and COMPLETE not in earlier.data.tags:
        run_id = str(earlier.info.run_id)
        tracker.resume(run_id)
        tracker.set_tags(run_id, resolved.tags())
        get_run_logger().info("continuing the interrupted retraining, MLflow run %s", run_id)
    else:
        run_id = tracker.start_retraining(key, flatten(resolved.settings.params()), data, resolved.tags())
    close_abandoned(tracker, run_id)
    tracker.files.log_text(run_id, about.markdown(), DATA_REPORT)
    return run_id, tracker.share_comparison(run_id), False


def finish(
    tracker: Tracker,
    run_id: str,
    resolved: ResolvedSettings,
    data: PreparedData,
    baselines: list[ModelRun],
    models: list[ModelRun],
) -> Report:
    """Register the best new model, decide on its promotion, recommend, and write the report."""
    settings = resolved.settings
    winner = best_of(models)
    compared = compare_with_champion(tracker, settings, winner, data)
    refitted = refit_winner(tracker, settings, winner, models, data, compared)
    version = register_challenger(tracker, settings, winner, refitted, data)
    publish_newest_log(tracker, run_id, settings, data)
    decision = decide_promotion(tracker, settings, version, winner, data, compared)
    remove_old_weights(tracker, run_id, settings)
    recommendations = recommend(tracker, settings, data)
    if recommendations["recommendations"] and not decision.promote:
        emit(NEWER_LOG, settings.dataset)  # a promotion has an event of its own
    return write_report(tracker, run_id, resolved, data, baselines, models, (version, decision), recommendations)


@task("write report", "write the report", retry_if=is_mlflow_outage)
def write_report(
    tracker: Tracker,
    run_id: str,
    resolved: ResolvedSettings,
    data: PreparedData,
    baselines: list[ModelRun],
    models: list[ModelRun],
    promotion: tuple[int, Decision],
    recommendations: dict[str, Any],
) -> Report:
    """Compare all models, write report, charts and notes into the retraining's run, and mark it as complete."""
    settings, (version, decision), winner = resolved.settings, promotion, best_of(models)
    report = Report(
        dataset=settings.dataset,
        fingerprint=data.fingerprint,
        run_id=run_id,
        rows=rows_of([*baselines, *models]),
        winner=winner.name,
        version=version,
        promoted=decision.promote,
        reason=decision.reason,
        caveats=caveats(tracker, winner, baselines),
        settings=resolved.summary,
        champion=champion_version(tracker, settings.model_name),
        next_runs=next_runs(resolved.given, settings),
        **recommendations,
    )
    for model in models:
        tracker.set_tags(model.run_id, resolved.tags_of(model.name))
    champion = rank_champion(tracker, settings, version, data)
    log_comparison(tracker, report, models, baselines, data, common_metric(settings.trainings()), champion)
    tracker.log_metrics(run_id, report.winner_metrics())
    tracker.files.log_json(run_id, report.model_dump(mode="json"), REPORT)
    tracker.set_notes(run_id, report.markdown() + flow_run_note())
    tracker.finish(run_id)
    return report


def read_report(tracker: Tracker, run_id: str, resolved: ResolvedSettings, data: PreparedData) -> Report:
    """The report of a complete retraining, with new recommendations of the present champion."""
    report = Report.model_validate(tracker.files.read_json(run_id, REPORT))
    get_run_logger().info("nothing has changed since MLflow run %s, so nothing is trained", run_id)
    update = {"trained": False, "next_runs": next_runs(resolved.given, resolved.settings)}
    is_newer = publish_newest_log(tracker, run_id, resolved.settings, data)
    recommendations = recommend(tracker, resolved.settings, data)
    if recommendations["recommendations"] and is_newer:
        emit(NEWER_LOG, resolved.settings.dataset)
    return report.model_copy(update=update | recommendations)


def recommend(tracker: Tracker, settings: RetrainSettings, data: PreparedData) -> dict[str, Any]:
    """Write the recommendations. Returns the report's fields about them."""
    measure_refold(tracker, settings, data)
    batch = RecommendSettings(dataset=settings.dataset, top_k=settings.top_k, hardware=settings.hardware)
    path = write_recommendations(tracker, batch)
    return {"recommendations": str(path) if path else None, "sample": sample(path) if path else []}


def publish(report: Report) -> None:
    """Show the result in the Prefect UI."""
    show_table(artifact_key(report.dataset, "models"), report.table().records(), report.verdict())
    show_markdown(artifact_key(report.dataset, "report"), report.markdown(), report.verdict())


def unchanged(report: Report) -> str:
    """Why nothing was trained, for the state of the flow run."""
    return f"Nothing has changed since MLflow run {report.run_id}, so nothing was trained. {report.verdict()}"
