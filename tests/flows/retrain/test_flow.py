import io
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from rich.console import Console

from flows.registry.models import count_earlier_challengers, load_champion
from flows.retrain.flow import retrain
from flows.retrain.report import Report
from flows.tracking.store import tracking_uri
from flows.tracking.tracker import Tracker
from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import to_interactions
from ncf.evaluation.baselines import can_ials
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import load_ratings
from tests.flows.conftest import quick
from tests.flows.stored_results import mlflow_runs

BASELINES = ["popularity", "item-knn", "ease", *(["ials"] if can_ials() else [])]
NEURAL = ["gmf", "mlp", "neumf", "neumf-pretrained"]
MODELS = [*BASELINES, *NEURAL]
NAME = "ncf-ml-100k"


def name_of(run: Run) -> str | None:
    """Which model a run is; None for the retraining itself."""
    return run.data.tags.get("ncf.model")


@pytest.fixture(scope="module")
def first(workspace: Path, prefect_server: None) -> Report:
    return retrain(quick())


def test_one_parent_run_has_a_nested_run_for_each_model(first: Report) -> None:
    assert [run.info.run_id for run in mlflow_runs()] == [first.run_id]
    assert [name_of(run) for run in mlflow_runs(first.run_id)] == MODELS
    assert {run.info.status for run in [*mlflow_runs(), *mlflow_runs(first.run_id)]} == {"FINISHED"}


def test_runs_carry_settings_metrics_data_and_weights(first: Report) -> None:
    client = MlflowClient(tracking_uri())
    parent = mlflow_runs()[0]
    assert parent.data.params["gmf.training.learning_rate"] == "0.01"
    for run in mlflow_runs(first.run_id):
        keys = {f"test/{p}/{m}_at_10" for p in ("full", "sampled") for m in ("hr", "ndcg")}
        assert keys <= run.data.metrics.keys()
        assert run.inputs.dataset_inputs[0].dataset.digest == first.fingerprint[:12]
        if name_of(run) in NEURAL:
            loss = client.get_metric_history(run.info.run_id, "train/loss")
            validation = client.get_metric_history(run.info.run_id, "validation/full/ndcg_at_10")
            epochs = int(run.data.metrics["epochs"])
            assert [point.step for point in loss] == list(range(1, epochs + 1))
            assert [point.step for point in validation] == list(range(1, epochs + 1))
            assert loss[-1].value < loss[0].value
            files = {file.path for file in client.list_artifacts(run.info.run_id, "bundle")}
            assert "bundle/weights.safetensors" in files


def test_the_report_has_a_row_for_each_model_popularity_first(first: Report) -> None:
    assert [row.name for row in first.rows] == MODELS
    assert first.winner in NEURAL
    assert all(name in first.markdown() for name in MODELS)


def test_all_metrics_of_the_test_are_kept_of_every_model_and_of_the_retraining(first: Report) -> None:
    metrics = ("hr", "ndcg", "mrr", "recall", "precision", "map")
    keys = {f"{p}/{m}_at_{k}" for p in ("full", "sampled") for m in metrics for k in (1, 5, 10, 20)}
    keys |= {f"full/novelty_at_{k}" for k in (1, 5, 10, 20)}
    keys |= {f"{key}_ci95" for key in keys} | {f"full/coverage_at_{k}" for k in (1, 5, 10, 20)}
    choosing = {f"{p}/{m}_at_10" for p in ("full", "sampled") for m in ("hr", "ndcg")}
    choosing |= {f"{key}_ci95" for key in choosing}
    expected = {f"test/{key}" for key in keys} | {f"best_validation/{key}" for key in choosing}
    for run in [*mlflow_runs(), *mlflow_runs(first.run_id)]:
        assert {key for key in run.data.metrics if key.startswith(("test/", "best_validation/"))} == expected
    by_name = {name_of(run): run.data.metrics for run in mlflow_runs(first.run_id)}
    assert by_name["popularity"]["test/full/coverage_at_10"] < by_name["item-knn"]["test/full/coverage_at_10"]
    assert by_name["popularity"]["test/full/novelty_at_10"] < by_name["item-knn"]["test/full/novelty_at_10"]


def test_an_epoch_logs_four_metrics(first: Report) -> None:
    four = {f"validation/{p}/{m}_at_10" for p in ("full", "sampled") for m in ("hr", "ndcg")}
    for run in mlflow_runs(first.run_id):
        logged = {key for key in run.data.metrics if key.startswith("validation/")}
        assert logged == (four if name_of(run) in NEURAL else set())


def test_means_by_group_and_ranks_by_user_are_files_of_every_run(first: Report) -> None:
    tracker = Tracker("ml-100k")
    for row in first.rows:
        groups, users = (tracker.files.read_table(row.run_id, name) for name in ("groups.csv", "users.csv"))
        assert groups["grouped_by"].value_counts().to_dict() == {"user_activity": 4, "item_popularity": 4}
        for _, part in groups.groupby("grouped_by"):
            assert part["users"].sum() == len(users) == 500
            for key in ("full/ndcg_at_10", "sampled/mrr_at_20", "full/novelty_at_5"):
                mean = np.average(part[key], weights=part["users"])
                assert mean == pytest.approx(row.metrics[f"test/{key}"])
        assert (users["full_rank"] <= 10).mean() == pytest.approx(row.metrics["test/full/hr_at_10"])
        assert (users["sampled_rank"] <= 5).mean() == pytest.approx(row.metrics["test/sampled/hr_at_5"])


def test_learning_curves_are_a_picture_in_the_retraining_and_in_each_model(first: Report) -> None:
    tracker = Tracker("ml-100k")
    for run in [*mlflow_runs(), *mlflow_runs(first.run_id)]:
        files = {file.path for file in tracker.client.list_artifacts(run.info.run_id)}
        assert ("learning_curves.png" in files) is (name_of(run) not in BASELINES)
        if "learning_curves.png" in files:
            path = Path(tracker.client.download_artifacts(run.info.run_id, "learning_curves.png"))
            assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


def test_the_retraining_compares_its_models_in_pictures_and_on_one_page(first: Report) -> None:
    client = Tracker("ml-100k").client
    files = {file.path for file in client.list_artifacts(first.run_id)}
    pictures = {"comparison_metrics.png", "comparison_hr_at_k.png", "comparison_groups.png", "learning_curves.png"}
    assert pictures | {"comparison.html"} <= files
    page = Path(client.download_artifacts(first.run_id, "comparison.html")).read_text(encoding="utf-8")
    assert all(name in page for name in MODELS)
    assert "src=" not in page.split("</script>")[-1] and '<script src="' not in page, "it asks for something else"


def test_runs_say_in_words_what_they_are_and_when_they_began(first: Report) -> None:
    for run in mlflow_runs(first.run_id):
        name = name_of(run)
        assert name is not None and run.info.run_name.startswith(f"{name} 20")
        note = run.data.tags["mlflow.note.content"]
        assert f"{run.data.metrics['test/full/ndcg_at_10']:.4f}" in note and first.fingerprint[:12] in note
        assert ("The best epoch was" in note) is (name in NEURAL)


def test_the_verdict_names_a_baseline_exactly_if_it_is_better(first: Report) -> None:
    ndcg = {row.name: row.metrics["test/full/ndcg_at_10"] for row in first.rows}
    best = max(BASELINES[1:], key=lambda name: ndcg[name])
    clause, *words = f"the baseline {best} is ", f": NDCG@10 {ndcg[best]:.4f} against"
    named = clause in first.verdict() and words[0] in first.verdict()
    assert named is (ndcg[best] > ndcg[first.winner])
    assert (clause in first.markdown()) is (ndcg[best] > ndcg[first.winner])
    versions = MlflowClient(tracking_uri()).search_model_versions(f"name = '{NAME}'")
    assert not {version.tags["ncf.model"] for version in versions} & set(BASELINES)


def test_the_table_keeps_its_columns_and_fits_a_terminal(first: Report) -> None:
    assert first.table().header == [
        "model",
        "HR@10 full",
        "NDCG@10 full",
        "HR@10 1+99",
        "NDCG@10 1+99",
        "epochs",
        "seconds",
    ]
    with Console(width=200, record=True, file=io.StringIO()) as console:
        console.print(first.table().terminal(narrow=True))
    lines = console.export_text().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert [name for line in lines for name in MODELS if line.startswith(f"{name} ")] == MODELS


def test_the_best_model_by_validation_is_the_champion(first: Report) -> None:
    assert first.promoted and first.champion == first.version == 1
    best = max(
        (row for row in first.rows if row.name in NEURAL),
        key=lambda row: row.metrics["best_validation/full/ndcg_at_10"],
    )
    assert first.winner == best.name
    client = MlflowClient(tracking_uri())
    for alias in ("champion", "challenger"):
        assert client.get_model_version_by_alias(NAME, alias).run_id == best.run_id


def test_recommendations_are_ten_unseen_items_a_user_with_titles(first: Report) -> None:
    assert first.recommendations is not None
    frame = pd.read_csv(first.recommendations)
    assert frame.groupby("user_id")["rank"].apply(list).map(lambda ranks: ranks == list(range(1, 11))).all()
    assert frame["user_id"].nunique() == 500
    assert frame["title"].notna().all()
    seen = to_interactions(filter_ratings(load_ratings(MovieLensSource()), FilterConfig(max_users=500)))
    pairs = set(zip(seen.user_ids[seen.users], seen.item_ids[seen.items], strict=True))
    assert not pairs & set(zip(frame["user_id"], frame["item_id"], strict=True))
    assert len(first.sample) == 3


def test_the_registered_model_answers_known_and_unknown_users(first: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    answer = model.predict(pd.DataFrame({"user_id": [1, 10**6]}))
    assert list(answer.columns) == ["user_id", "item_id", "rank", "score", "source"]
    assert answer.groupby("user_id").size().to_dict() == {1: 10, 10**6: 10}
    assert set(answer.loc[answer["user_id"] == 1, "source"]) == {"model"}
    assert set(answer.loc[answer["user_id"] == 10**6, "source"]) == {"popularity"}
    file = pd.read_csv(str(first.recommendations))
    assert list(answer.loc[answer["user_id"] == 1, "item_id"]) == list(file.loc[file["user_id"] == 1, "item_id"])
    assert len(model.predict(pd.DataFrame({"user_id": [1]}), params={"k": 3})) == 3


def test_nothing_is_trained_again_when_nothing_changed(first: Report) -> None:
    Path(str(first.recommendations)).unlink()
    again = retrain(quick())
    assert not again.trained
    assert again.rows == first.rows
    assert [run.info.run_id for run in mlflow_runs()] == [first.run_id]
    assert Path(str(again.recommendations)).exists()


def test_another_length_of_the_lists_is_written_without_training(first: Report) -> None:
    again = retrain(quick(top_k=3))
    assert not again.trained
    assert set(pd.read_csv(str(again.recommendations)).groupby("user_id").size()) == {3}
    retrain(quick())
    assert set(pd.read_csv(str(again.recommendations)).groupby("user_id").size()) == {10}


def test_another_seed_trains_and_is_set_against_the_champion(first: Report) -> None:
    other = retrain(quick(seed=1))
    assert other.trained and other.version == 2
    assert other.champion == (2 if other.promoted else 1)
    assert "than the champion" in other.reason
    assert other.fingerprint == first.fingerprint
    client = MlflowClient(tracking_uri())
    page = Path(client.download_artifacts(other.run_id, "comparison.html")).read_text(encoding="utf-8")
    assert "champion (version 1)" in page, "what it was set against is in the pictures"
    tags = client.get_model_version(NAME, "2").tags
    assert tags["ncf.compared_with"] == "1"
    assert json.loads(tags["ncf.figures"])["earlier"] == 0, "the first was set against no champion"
    assert count_earlier_challengers(Tracker("ml-100k"), NAME, 3, tags["ncf.holdout"]) == 1


@pytest.mark.slow
def test_a_warm_start_is_no_worse_on_validation_than_the_champion(first: Report) -> None:
    champion = load_champion(Tracker("ml-100k"), NAME)
    assert champion is not None
    warm = retrain(quick(seed=2, warm_start=True))
    row = next(row for row in warm.rows if row.name == champion.bundle.config.kind)
    key = "best_validation/full/ndcg_at_10"
    assert row.metrics[key] >= champion.bundle.about["metrics"][key] - 1e-6


@pytest.mark.slow
def test_force_trains_the_same_models_again(first: Report) -> None:
    forced = retrain(quick(force=True))
    assert forced.trained and forced.run_id != first.run_id
    figures = [{key: value for key, value in row.metrics.items() if key != "seconds"} for row in first.rows]
    again = [{key: value for key, value in row.metrics.items() if key != "seconds"} for row in forced.rows]
    assert again == figures
    assert not forced.promoted, "an equal model is not better"


def test_an_untrained_model_does_not_become_champion(
    tmp_path: Path, workspace: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    untrained: Any = {"training": {"max_epochs": 0}}
    off: Any = {name: {"enabled": False} for name in ("item_knn", "ease", "ials")}
    report = retrain(quick(gmf=untrained, mlp=untrained, neumf=untrained, neumf_pretrained=untrained, baselines=off))
    assert [row.name for row in report.rows] == ["popularity", *NEURAL]
    assert not report.promoted and report.champion is None and report.recommendations is None
    assert "not better than popularity" in report.verdict()
    files = Tracker("ml-100k").client.list_artifacts(report.rows[1].run_id)
    assert "learning_curves.png" in {file.path for file in files}, "its epoch 0 alone"
