"""Flow: from ratings to a registered champion and its recommendations. `python -m flows.retrain --help`."""

from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed

from flows.cli.checks import RETRIES, check_folder
from flows.orchestration.artifacts import Progress, artifact_key, show_link, show_markdown, show_table
from flows.orchestration.locks import AlreadyRunningError, one_at_a_time
from flows.orchestration.tasks import is_mlflow_outage, task
from flows.prepare.flow import prepare_data
from flows.recommend.flow import sample, write_recommendations
from flows.recommend.settings import RecommendSettings
from flows.registry import models as registry
from flows.retrain.checks import check_training
from flows.retrain.comparison_page import keep_comparison
from flows.retrain.curves import common_metric
from flows.retrain.measure import measure_baselines
from flows.retrain.old_runs import close_abandoned
from flows.retrain.promote import (
    best_of,
    compare_with_baselines,
    decide_promotion,
    ranked_champion,
    register_challenger,
    remove_old_weights,
)
from flows.retrain.report import Report, rows_of
from flows.retrain.resolve_settings import Chosen, choose_settings
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import GMF_NAME, MLP_NAME, NEUMF_NAME, PRETRAINED, train_model
from flows.tracking.notes import flow_run_note
from flows.tracking.tracking import COMPLETE, ModelRun, Tracker
from ncf import __version__
from ncf.content import content_key, flatten
from ncf.data.prepared import PreparedData
from ncf.data.report import DataReport
from ncf.evaluation.promotion import Decision
from ncf.hardware import torch_threads

REPORT, DATA_REPORT = "report.json", "data_report.md"
UNCHANGED = "Unchanged"  # the name of the state in which a retraining ends that had nothing to do


@flow(name="retrain", flow_run_name="retrain {settings.dataset}, seed {settings.seed}")
def retrain(settings: RetrainSettings = RetrainSettings()) -> Report:  # noqa: B008 (frozen, and Prefect shows it)
    """Train the four models, compare them, register the best, promote it if it is better, and recommend.

    The flow run ends as Cancelled if the data set is being retrained already, and as Completed with the name Unchanged
    if neither data nor settings have changed.
    """
    check(settings)
    try:
        with one_at_a_time(f"retrain-{settings.dataset}", f"a retraining of {settings.dataset}", across_machines=True):
            chosen = choose_settings(settings)
            with torch_threads(settings.hardware.scoring_threads):
                report = run(chosen)
    except AlreadyRunningError as error:
        get_run_logger().warning(str(error))
        return cast(Report, Cancelled(message=str(error), data=error))  # Prefect raises the error to who called
    return report if report.trained else cast(Report, Completed(name=UNCHANGED, message=unchanged(report), data=report))


def check(settings: RetrainSettings, retries: int = RETRIES) -> None:
    """Check what `check_training` does, and the folder of the recommendations."""
    check_training(settings, retries)
    check_folder(Path.cwd() / "recommendations", "run in a folder that can be written")


def run(chosen: Chosen) -> Report:
    """The retraining itself; what is finished already is not done again."""
    settings = chosen.settings
    if chosen.said:
        get_run_logger().info(chosen.said)
    data, about = prepare_data(settings)
    tracker = Tracker(settings.dataset)
    run_id, stands = open_retraining(tracker, chosen, data, about)
    if stands:
        return report_again(tracker, run_id, settings, data)
    progress = Progress(artifact_key(settings.dataset, "progress"), "baselines", total=6, update_seconds=0.0)
    with tracker.interrupted_on_error(run_id):
        show_link(
            artifact_key(settings.dataset, "mlflow"),
            tracker.url(run_id),
            "the run in MLflow",
            "models, figures and files",
        )
        baselines = measure_baselines(tracker, run_id, settings, data)
        progress.update(1, f"training {GMF_NAME}")
        gmf = train_model(tracker, run_id, GMF_NAME, settings, data)
        progress.update(2, f"training {MLP_NAME}")
        mlp = train_model(tracker, run_id, MLP_NAME, settings, data)
        progress.update(3, f"training {NEUMF_NAME}")
        neumf = train_model(tracker, run_id, NEUMF_NAME, settings, data)
        progress.update(4, f"training {PRETRAINED}")
        pretrained = train_model(tracker, run_id, PRETRAINED, settings, data, pretrained=(gmf, mlp))
        progress.update(5, "registration, promotion, recommendations")
        report = conclude(tracker, run_id, chosen, data, baselines, [gmf, mlp, neumf, pretrained])
    publish(report)
    progress.update(6, report.verdict())
    return report


def conclude(
    tracker: Tracker,
    run_id: str,
    chosen: Chosen,
    data: PreparedData,
    baselines: list[ModelRun],
    models: list[ModelRun],
) -> Report:
    """Register the best of the trained models, decide, recommend, and keep the report."""
    settings = chosen.settings
    winner = best_of(models)
    version = register_challenger(tracker, settings, winner, data)
    decision = decide_promotion(tracker, settings, version, winner, data)
    remove_old_weights(tracker, run_id, settings)
    lists = recommended(tracker, settings, data)
    return keep_report(tracker, run_id, chosen, data, baselines, models, (version, decision), lists)


@task("open retraining", "open the retraining", retry_if=is_mlflow_outage)
def open_retraining(tracker: Tracker, chosen: Chosen, data: PreparedData, about: DataReport) -> tuple[str, bool]:
    """The parent run: an interrupted one with the same settings and data goes on, else a new one begins.

    Returns:
        The run id, and whether that retraining is complete, so that there is nothing to do.
    """
    key = content_key(chosen.settings.learned(), data.fingerprint, __version__)
    earlier = tracker.newest_retraining(key)
    if earlier is not None and COMPLETE in earlier.data.tags and not chosen.settings.force:
        return str(earlier.info.run_id), True
    if earlier is not None and COMPLETE not in earlier.data.tags:
        run_id = str(earlier.info.run_id)
        tracker.resume_retraining(run_id)
        tracker.set_tags(run_id, chosen.tags())
        get_run_logger().info("going on with the interrupted retraining, MLflow run %s", run_id)
    else:
        run_id = tracker.start_retraining(key, flatten(chosen.settings.shown()), data, chosen.tags())
    close_abandoned(tracker, run_id)
    tracker.artifacts.log_text(run_id, about.markdown(), DATA_REPORT)
    return run_id, False


@task("keep report", "keep the report", retry_if=is_mlflow_outage)
def keep_report(
    tracker: Tracker,
    run_id: str,
    chosen: Chosen,
    data: PreparedData,
    baselines: list[ModelRun],
    models: list[ModelRun],
    registered: tuple[int, Decision],
    lists: dict[str, Any],
) -> Report:
    """Compare all models, write the report, pictures and notes into the retraining's run, and mark it as complete."""
    settings, (version, decision), winner = chosen.settings, registered, best_of(models)
    report = Report(
        dataset=settings.dataset,
        fingerprint=data.fingerprint,
        run_id=run_id,
        rows=rows_of([*baselines, *models]),
        winner=winner.name,
        version=version,
        promoted=decision.promote,
        reason=decision.reason,
        baseline=compare_with_baselines(tracker, winner, baselines),
        settings=chosen.said,
        champion=registry.champion_version(tracker, settings.model_name),
        **lists,
    )
    for model in models:
        tracker.set_tags(model.run_id, chosen.tags_of(model.name))
    champion = ranked_champion(tracker, settings, version, data)
    keep_comparison(tracker, report, models, baselines, data, common_metric(settings.trainings()), champion)
    tracker.log_metrics(run_id, report.winner_metrics())
    tracker.artifacts.log_json(run_id, report.model_dump(mode="json"), REPORT)
    tracker.set_notes(run_id, report.markdown() + flow_run_note())
    tracker.finish(run_id)
    return report


def report_again(tracker: Tracker, run_id: str, settings: RetrainSettings, data: PreparedData) -> Report:
    """The report of a retraining that need not be repeated, with the present champion's recommendations."""
    report = Report.model_validate(tracker.artifacts.read_json(run_id, REPORT))
    get_run_logger().info("nothing has changed since MLflow run %s: not training again", run_id)
    show_link(
        artifact_key(settings.dataset, "mlflow"),
        tracker.url(run_id),
        "the run in MLflow",
        "of the retraining that stands",
    )
    return report.model_copy(update={"trained": False, **recommended(tracker, settings, data)})


def recommended(tracker: Tracker, settings: RetrainSettings, data: PreparedData) -> dict[str, Any]:
    """Write the recommendations; returns the report's fields about them."""
    batch = RecommendSettings(dataset=settings.dataset, top_k=settings.top_k, hardware=settings.hardware)
    path = write_recommendations(tracker, batch, data.user_ids)
    return {"recommendations": str(path) if path else None, "sample": sample(path) if path else []}


def publish(report: Report) -> None:
    """Show the result in the Prefect UI."""
    show_table(artifact_key(report.dataset, "models"), report.table_rows(), report.verdict())
    show_markdown(artifact_key(report.dataset, "report"), report.markdown(), report.verdict())


def unchanged(report: Report) -> str:
    """Why nothing was trained, for the state of the flow run."""
    return f"Nothing has changed since MLflow run {report.run_id}, so nothing was trained. {report.verdict()}"
