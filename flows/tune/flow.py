"""Flow: search the settings of one model or of all four. `python -m flows.tune --help`."""

from prefect import flow
from pydantic import JsonValue

from flows.cli.next_command import command, command_line, look_at
from flows.prepare.flow import prepare_data
from flows.prepare.settings import DataSettings
from flows.retrain.resolve_settings import check_training
from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import Tuning
from flows.tune.finish import STUDY_PAGE, finish_search
from flows.tune.report import ModelReport, TuneReport
from flows.tune.search import open_search, run_search
from flows.tune.settings import TuneSettings
from flows.tune.studies import check_search, problem_of
from ncf.config import ModelName
from ncf.data.prepared import PreparedData
from ncf.hardware import torch_threads


@flow(name="tune", flow_run_name="tune {settings.model} on {settings.dataset}")
def tune(settings: TuneSettings = TuneSettings()) -> TuneReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Search settings, confirm the winner with other seeds, and store the tuned settings for retrainings."""
    check_training(settings)
    check_search(settings)
    with torch_threads(settings.hardware.scoring_threads):
        data, _about = prepare_data(settings)
        tracker = Tracker(settings.dataset)
        done: dict[ModelName, ModelReport] = {}
        for model in settings.models():
            done[model] = tune_model(tracker, settings, model, data, done)
    reports = list(done.values())
    return TuneReport(dataset=settings.dataset, models=reports, next_steps=next_steps(settings, tracker, reports))


def next_steps(settings: TuneSettings, tracker: Tracker, reports: list[ModelReport]) -> dict[str, str]:
    """What to do next, by its purpose; training with the tuned settings only if some are better than the default."""
    training = command("retrain", DataSettings.of(settings), {"settings": "tuned"})
    more: dict[str, JsonValue] = {"budget.trials": 2 * settings.budget.trials}
    if settings.budget.minutes is not None:
        more["budget.minutes"] = 2 * settings.budget.minutes
    study = f"{tracker.page(reports[-1].run_id)}/artifacts/{STUDY_PAGE}"
    return {
        **({"Train with them": training} if any(report.is_better for report in reports) else {}),
        "Continue the search": command("tune", settings, more),
        "Look at the study": look_at(tracker.uri, study),
        "See every setting": command_line("tune", "--help"),
    }


def tune_model(
    tracker: Tracker,
    settings: TuneSettings,
    model: ModelName,
    data: PreparedData,
    done: dict[ModelName, ModelReport],
) -> ModelReport:
    """Search the settings of one model, or continue its search, and confirm the winner."""
    tunings = {name: Tuning(report.run_id, report.tuned) for name, report in done.items()}
    search = open_search(tracker, settings, problem_of(tracker, settings, model, data, tunings))
    searched = run_search(tracker, search, settings.workers)
    report = finish_search(tracker, search, settings.confirm_seeds)
    return report.model_copy(update={"searched": searched})
