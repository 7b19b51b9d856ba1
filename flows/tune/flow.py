"""Flow: search the settings of one model or of the four, and keep the best. `python -m flows.tune --help`."""

from prefect import flow

from flows.prepare.flow import prepare_data
from flows.retrain.checks import check_training
from flows.tracking.tracking import Tracker
from flows.tracking.tuned_settings import Tuning
from flows.tune.finish import conclude_search
from flows.tune.report import ModelReport, TuneReport
from flows.tune.search import open_search, run_search
from flows.tune.settings import TuneSettings
from flows.tune.studies import check_search, problem_of
from ncf.data.prepared import PreparedData
from ncf.hardware import torch_threads
from tuning.space import ModelName


@flow(name="tune", flow_run_name="tune {settings.model} on {settings.dataset}")
def tune(settings: TuneSettings = TuneSettings()) -> TuneReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Search settings, train the winner again beside the settings it began with, and keep it for retrainings."""
    check_training(settings)
    check_search(settings)
    with torch_threads(settings.hardware.scoring_threads):
        data, _about = prepare_data(settings)
        tracker = Tracker(settings.dataset)
        done: dict[ModelName, ModelReport] = {}
        for model in settings.models():
            done[model] = tune_model(tracker, settings, model, data, done)
    return TuneReport(dataset=settings.dataset, models=list(done.values()))


def tune_model(
    tracker: Tracker,
    settings: TuneSettings,
    model: ModelName,
    data: PreparedData,
    done: dict[ModelName, ModelReport],
) -> ModelReport:
    """One model's study, from its beginning or from where it was left, to its conclusion."""
    tunings = {name: Tuning(report.run_id, report.tuned) for name, report in done.items()}
    search = open_search(tracker, settings, problem_of(tracker, settings, model, data, tunings))
    searched = run_search(tracker, search, settings.workers)
    report = conclude_search(tracker, search, settings.confirm_seeds)
    return report.model_copy(update={"searched": searched})
