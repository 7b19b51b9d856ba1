"""The flow tune on cut MovieLens-100K with tiny budgets: real studies, real worker processes, a real MLflow store."""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.retrain.flow import retrain
from flows.tracking.store import tracking_uri
from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import TUNED, Tuned
from flows.tune.flow import tune
from flows.tune.report import TuneReport
from flows.tune.settings import TuneSettings
from flows.tune.studies import first_recipe, usual_recipe
from flows.tune.workers import WorkerError
from ncf import __version__
from ncf.config import GMFRecipe, ModelName
from tests.flows.conftest import SHORT, quick
from tests.flows.stored_results import mlflow_runs, newest_artifact, trial_runs
from tests.flows.tune.tunings import SPACE, grid_search, short_tuning
from tuning.database import StudyError

KEY = "best_validation/full/ndcg_at_10"


@pytest.fixture(scope="module")
def first(workspace: Path, prefect_server: None) -> TuneReport:
    return tune(short_tuning())


def test_one_parent_run_has_a_nested_run_for_each_trial_and_each_confirming_training(first: TuneReport) -> None:
    assert [run.info.run_id for run in mlflow_runs()] == [first.models[0].run_id]
    nested = mlflow_runs(first.models[0].run_id)
    names = [run.info.run_name for run in nested]
    assert names[:4] == ["trial 0", "trial 1", "trial 2", "trial 3"]
    winner = [] if first.models[0].tuned.trial == 0 else ["confirm winner, seed 1", "confirm winner, seed 2"]
    assert names[4:] == ["confirm default, seed 1", "confirm default, seed 2", *winner]
    assert {run.info.status for run in [*mlflow_runs(), *nested]} == {"FINISHED"}
    assert {run.data.tags["ncf.state"] for run in nested[:4]} <= {"complete", "pruned"}


def test_a_trial_has_its_settings_its_curve_and_its_score(first: TuneReport) -> None:
    client = MlflowClient(tracking_uri())
    found = trial_runs(first.models[0].run_id)
    assert found[0].data.params["training.learning_rate"] == "0.01", "trial 0 is the default"
    assert found[0].data.params["training.num_negatives"] == "4"
    assert len({run.data.params["training.learning_rate"] for run in found.values()}) == 4
    for run in found.values():
        curve = client.get_metric_history(run.info.run_id, "validation/full/ndcg_at_10")
        assert [point.step for point in curve] == list(range(1, int(run.data.metrics["epochs"]) + 1))
        assert run.data.metrics[KEY] >= max(point.value for point in curve) - 1e-9
        assert run.data.tags["ncf.fingerprint"] == first.models[0].tuned.fingerprint


def test_the_winner_is_the_best_trial_and_is_believed_only_if_other_seeds_say_so(first: TuneReport) -> None:
    tuned = first.models[0].tuned
    found = trial_runs(first.models[0].run_id)
    complete = {number: run for number, run in found.items() if run.data.tags["ncf.state"] == "complete"}
    assert tuned.trial == max(complete, key=lambda number: complete[number].data.metrics[KEY])
    rate = complete[tuned.trial].data.params["training.learning_rate"]
    assert GMFRecipe.model_validate(tuned.winner).training.learning_rate == pytest.approx(float(rate))
    assert tuned.base == quick().gmf.model_dump(mode="json")
    assert tuned.recipe == (tuned.winner if tuned.believed else tuned.base)
    assert tuned.believed is (tuned.gain.mean > 0)
    assert tuned.gain.mean == pytest.approx(tuned.winner_mean - tuned.base_mean)
    assert tuned.gain.low <= tuned.gain.mean <= tuned.gain.high
    confirmed = [run.data.metrics[KEY] for run in mlflow_runs(first.models[0].run_id) if "default" in run.info.run_name]
    assert tuned.base_mean == pytest.approx(sum(confirmed) / 2)
    assert tuned.confirm_seeds == [1, 2] and tuned.seed == 0


def test_the_parent_run_has_the_figures_the_files_and_the_provenance(first: TuneReport) -> None:
    tracker = Tracker("ml-100k")
    parent, tuned = mlflow_runs()[0], first.models[0].tuned
    assert parent.data.metrics["tuning/best_ndcg_at_10"] == pytest.approx(tuned.score)
    assert parent.data.metrics["tuning/default_ndcg_at_10"] == pytest.approx(tuned.base_score)
    assert parent.data.metrics["tuning/gain_low"] == pytest.approx(tuned.gain.low)
    assert sum(v for k, v in parent.data.metrics.items() if k.startswith("tuning/trials_")) == 4
    assert parent.data.tags["ncf.tuning"] == "gmf" and parent.data.tags["ncf.complete"] == "true"
    assert first.models[0].verdict() in parent.data.tags["mlflow.note.content"]
    assert parent.inputs.dataset_inputs[0].dataset.digest == tuned.fingerprint[:12]
    assert Tuned.model_validate(tracker.files.read_json(parent.info.run_id, TUNED)) == tuned
    assert tuned.study.startswith("ml-100k-gmf-") and "optuna.db" in tuned.storage
    assert (tuned.ncf_version, tuned.date[:2], tuned.parts) == (__version__, "20", None)


def test_the_study_is_a_page_that_needs_no_network(first: TuneReport, tmp_path: Path) -> None:
    files = Tracker("ml-100k").files
    page = files.download(mlflow_runs()[0].info.run_id, "study.html", tmp_path).read_text(encoding="utf-8")
    assert page.count("<script>/**") == 1, "plotly's own script is there, once"
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)
    assert page.count("Plotly.newPlot(") >= 3
    for heading in ("History", "Slices", "Intermediate values"):
        assert f">{heading}</h2>" in page


def test_prefect_shows_the_settings_the_gain_and_how_far_the_search_is(first: TuneReport) -> None:
    shown = str(newest_artifact("ml-100k-gmf-tuned").data)
    assert ("| training.learning_rate | 0.01 |" in shown and "95 % interval" in shown) or "no trial was better" in shown
    progress = newest_artifact("ml-100k-gmf-search")
    assert float(str(progress.data)) == 100
    assert "4 of 4 trials" in str(progress.description)


def test_the_same_settings_again_run_no_trial(first: TuneReport) -> None:
    before = [run.info.run_id for run in mlflow_runs(first.models[0].run_id)]
    again = tune(short_tuning())
    assert not again.models[0].searched
    assert again.models[0].tuned == first.models[0].tuned
    assert [run.info.run_id for run in mlflow_runs()] == [first.models[0].run_id]
    assert [run.info.run_id for run in mlflow_runs(first.models[0].run_id)] == before


def test_a_retraining_takes_the_tuned_settings_and_names_them(first: TuneReport) -> None:
    tuned, run_id = first.models[0].tuned, first.models[0].run_id
    report = retrain(quick(settings="tuned"))  # what quick() gives goes before what was tuned
    parent = MlflowClient(tracking_uri()).get_run(report.run_id)
    assert parent.data.tags["ncf.settings"] == "tuned"
    assert parent.data.tags["ncf.tuned_by"] == f"gmf {run_id}"
    assert parent.data.params["gmf.training.num_negatives"] == str(tuned.recipe["training"]["num_negatives"])  # type: ignore[call-overload,index]
    assert parent.data.params["gmf.training.learning_rate"] == "0.01", "given explicitly"
    assert f"gmf (MLflow run {run_id})" in report.settings and report.settings in report.markdown()
    nested = {row.name: MlflowClient(tracking_uri()).get_run(row.run_id).data.tags for row in report.rows}
    assert nested["gmf"]["ncf.tuned_by"] == f"gmf {run_id}"
    assert nested["mlp"]["ncf.settings"] == "preset"

    start = TuneSettings.model_validate({"start": "champion"})
    serving = parent.data.params | {"kind": report.winner}
    models: tuple[ModelName, ...] = ("gmf", "mlp", "neumf")
    for model in models:
        found, usual = first_recipe(Tracker("ml-100k"), start, model), usual_recipe(start, model)
        rate = serving[f"{model}.training.learning_rate"] if report.winner == model else usual.training.learning_rate
        assert found.training.learning_rate == float(rate), "the champion's, if it is of this model"


@pytest.mark.slow
def test_a_raised_budget_goes_on_where_the_search_ended(first: TuneReport) -> None:
    before = trial_runs(first.models[0].run_id)
    confirmed = {run.info.run_id for run in mlflow_runs(first.models[0].run_id) if "default" in run.info.run_name}
    more = tune(short_tuning(budget={"trials": 6}))
    after = trial_runs(first.models[0].run_id)
    assert more.models[0].searched and more.models[0].run_id == first.models[0].run_id
    assert sorted(after) == [0, 1, 2, 3, 4, 5]
    for number, run in before.items():
        assert (after[number].info.run_id, after[number].info.start_time) == (run.info.run_id, run.info.start_time)
    default = {run.info.run_id for run in mlflow_runs(first.models[0].run_id) if "confirm default" in run.info.run_name}
    assert default == confirmed, "the default was trained again"
    assert sum(more.models[0].tuned.trials.values()) == 6


def test_if_all_trials_fail_the_tuning_ends_with_the_reason(first: TuneReport) -> None:
    choices = grid_search(loss=["bpr", "bce"], negatives=["all", "uniform"]) | {"budget": {"trials": 1}}
    default = {"training": SHORT | {"loss": "bpr", "negatives": "popularity"}}  # the nearest choices: bpr with all
    with pytest.raises(WorkerError, match=r"first 1 trials.*failed.*bpr needs drawn negatives"):
        tune(short_tuning(**choices, gmf=default))
    parent = mlflow_runs()[-1]
    assert (parent.info.status, parent.data.tags.get("ncf.complete")) == ("FAILED", None)
    failed = trial_runs(parent.info.run_id)[0]
    assert (failed.info.status, failed.data.tags["ncf.state"]) == ("FAILED", "failed")
    assert "bpr needs drawn negatives" in failed.data.tags["ncf.reason"]


def test_a_named_study_of_another_space_is_refused_with_the_difference(first: TuneReport) -> None:
    other = SPACE | {"gmf.training.num_negatives": {"low": 2, "high": 9}}
    before = len(mlflow_runs())
    with pytest.raises(StudyError, match=f"{first.models[0].tuned.study}.*num_negatives"):
        tune(short_tuning(study=first.models[0].tuned.study, space=other))
    assert len(mlflow_runs()) == before
