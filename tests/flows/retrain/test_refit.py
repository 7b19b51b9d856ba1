"""What serves is fresh: trained on everything, and made from the newest log, whoever is the champion."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from flows.recommend.flow import recommend
from flows.recommend.settings import RecommendSettings
from flows.registry.models import load_champion, load_judged
from flows.registry.newest_log import published_log
from flows.retrain.flow import retrain
from flows.retrain.report import Report
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import GMF_NAME, MLP_NAME, load_model, recipe_of
from flows.serve.service import ServingSource
from flows.tracking.store import tracking_uri
from flows.tracking.tracker import Tracker
from ncf.data.storage import load_prepared
from ncf.models.build import build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.serving.http.live import answer
from ncf.training.fit import fit
from tests.e2e.faults.tiny_retraining import tiny_settings
from tests.two_taste_log import two_taste_log

USERS, ITEMS, ROWS = 60, 30, 8
NEW_USERS = 4
DATASET, NAME = "shop", "ncf-shop"
NEVER: Any = {"promotion": {"guards": {"maximum_size_mb": 1e-9}}}  # no challenger is small enough


def nightly(log: Path, **changes: Any) -> RetrainSettings:
    return RetrainSettings.model_validate(tiny_settings(DATASET, log, **changes))


def pairs_of(frame: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(frame["user_id"], frame["item_id"], strict=True))


@pytest.fixture(scope="module")
def log(workspace: Path) -> Path:
    path = workspace / "log.csv"
    two_taste_log(USERS, ITEMS, ROWS).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def first(log: Path, prefect_server: None) -> Report:
    report = retrain(nightly(log))
    assert report.promoted
    return report


def prepared(log: Path) -> Any:
    from flows.prepare.flow import prepared_folder

    return load_prepared(prepared_folder(nightly(log)))


def test_the_version_has_learned_from_everything_and_its_twin_from_train_alone(first: Report, log: Path) -> None:
    tracker = Tracker(DATASET)
    champion, twin = load_champion(tracker, NAME), load_judged(tracker, NAME, 1)
    assert champion is not None
    assert champion.bundle.item_counts.sum() == USERS * ROWS
    assert twin.bundle.item_counts.sum() == USERS * (ROWS - 2)
    version = MlflowClient(tracking_uri()).get_model_version(NAME, "1")
    assert version.run_id == twin.run_id
    assert "the figures are those of its twin" in str(version.description)


def test_its_weights_are_those_of_the_same_recipe_for_the_best_number_of_epochs(first: Report, log: Path) -> None:
    tracker, settings, data = Tracker(DATASET), nightly(log), prepared(log)
    runs = {row.name: row for row in first.rows}
    recipe = recipe_of(settings, first.winner)
    if first.winner == "neumf-pretrained":
        gmf, mlp = (load_model(tracker, tracker.find_model(first.run_id, name)) for name in (GMF_NAME, MLP_NAME))  # type: ignore[arg-type]
        assert isinstance(gmf, GMF) and isinstance(mlp, MLP)
        model: Any = NeuMF.from_pretrained(gmf, mlp, recipe.alpha)
    else:
        model = build_model(recipe.model, data.num_users, data.num_items, settings.seed)
    epochs = int(runs[first.winner].metrics["best_epoch"])
    expected = fit(
        model, data.refitted(test=True), recipe.training, seed=settings.seed, hardware=settings.hardware, epochs=epochs
    )
    champion = load_champion(tracker, NAME)
    assert champion is not None
    found = champion.bundle.model.state_dict()
    for name, value in expected.model.state_dict().items():
        torch.testing.assert_close(found[name], value)


def test_the_training_on_everything_is_one_run_inside_the_winners_and_keeps_no_second_copy(first: Report) -> None:
    tracker = Tracker(DATASET)
    winner = tracker.find_model(first.run_id, first.winner)
    assert winner is not None
    [run] = tracker.nested(winner.run_id)
    assert run.info.status == "FINISHED"
    assert f"the run `{winner.run_id}`" in run.data.tags["mlflow.note.content"]
    assert not tracker.client.list_artifacts(run.info.run_id, "bundle")


@pytest.mark.slow
def test_without_refit_the_judged_weights_serve(workspace: Path, log: Path, prefect_server: None) -> None:
    report = retrain(RetrainSettings.model_validate(tiny_settings("plain", log, refit=False)))
    assert report.promoted
    tracker = Tracker("plain")
    champion, twin = load_champion(tracker, "ncf-plain"), load_judged(tracker, "ncf-plain", 1)
    assert champion is not None
    for name, value in twin.bundle.model.state_dict().items():
        assert torch.equal(champion.bundle.model.state_dict()[name], value)
    version = MlflowClient(tracking_uri()).get_model_version("ncf-plain", "1")
    assert "the weights that were measured" in str(version.description)


class TestTheNightAfter:
    """Everybody took what they were offered first, some users are new, and the champion stays."""

    @pytest.fixture(scope="class")
    def newer(self, first: Report, log: Path) -> Path:
        assert first.recommendations is not None
        lists, old = pd.read_csv(first.recommendations), pd.read_csv(log)
        taken = lists[lists["rank"] <= 2][["user_id", "item_id"]].assign(timestamp=1_700_100_000)
        fresh = two_taste_log(NEW_USERS, ITEMS, 6, seed=5).assign(timestamp=1_700_100_001)
        fresh["user_id"] += 1000
        path = log.with_name("newer.csv")
        pd.concat([old, taken, fresh]).to_csv(path, index=False)
        return path

    @pytest.fixture(scope="class")
    def second(self, newer: Path) -> Report:
        report = retrain(nightly(newer, **NEVER))
        assert not report.promoted and report.champion == 1
        return report

    def test_no_list_has_what_the_newest_log_has(self, second: Report, newer: Path) -> None:
        lists = pd.read_csv(str(second.recommendations))
        assert not pairs_of(lists) & pairs_of(pd.read_csv(newer))
        assert lists["user_id"].nunique() == USERS + NEW_USERS
        assert set(lists["model_version"]) == {1}

    def test_new_users_are_folded_in_and_get_items_of_their_taste(self, second: Report) -> None:
        lists = pd.read_csv(str(second.recommendations))
        new = lists[lists["user_id"] >= 1000]
        assert set(new["source"]) == {"items"}
        top = new[new["rank"] <= 3]
        assert (top["item_id"] % 2 == top["user_id"] % 2).mean() > 0.8

    def test_batch_http_and_pyfunc_give_the_same_lists(
        self, second: Report, newer: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recommend(RecommendSettings.model_validate({"dataset": DATASET, "output": {"path": "batch.csv"}}))
        batch = pd.read_csv("batch.csv")
        assert pairs_of(batch) == pairs_of(pd.read_csv(str(second.recommendations)))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
        model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
        source = ServingSource(Tracker(DATASET), NAME)
        state = source.find()
        assert state is not None
        served = source.load(state)
        assert served.state == state
        for user in (0, 1, 1001):
            expected = batch[batch["user_id"] == user]["item_id"].tolist()
            assert model.predict(pd.DataFrame({"user_id": [user]}))["item_id"].tolist() == expected
            assert answer(served, user, [], 10).item_ids == expected

    @pytest.mark.slow
    def test_a_service_takes_the_newer_log_without_loading_the_weights_again(
        self, second: Report, newer: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = ServingSource(Tracker(DATASET), NAME)
        before = source.find()
        assert before is not None
        bundle = source.load(before).recommender.bundle
        frame = pd.read_csv(newer)
        gone = frame[frame["user_id"] != 0]
        gone.to_csv(newer.with_name("without.csv"), index=False)
        retrain(nightly(newer.with_name("without.csv"), **NEVER))
        after = source.find()
        assert after is not None and after != before and after.version == before.version
        served = source.load(after)
        assert served.recommender.bundle is bundle
        assert answer(served, 0, [], 5).source == "popularity", "user 0 is no longer in the log"
        retrain(nightly(newer, force=True, **NEVER))
        again = source.find()
        assert again is not None and again.log == before.log

    @pytest.mark.slow
    def test_old_logs_are_removed_but_the_one_before(self, second: Report) -> None:
        tracker = Tracker(DATASET)
        published = published_log(tracker.client, NAME)
        assert published is not None and published.before is not None
        kept = {
            f"{run.info.run_id}/{file.path}"
            for run in tracker.search("")
            for file in tracker.client.list_artifacts(run.info.run_id, "serving_log")
        }
        assert kept == {f"{published.run_id}/{published.path}", "/".join(published.before)}

    @pytest.mark.slow
    def test_a_look_back_does_not_make_the_lists_older(self, second: Report, newer: Path) -> None:
        before = published_log(Tracker(DATASET).client, NAME)
        retrain(nightly(newer, data={"filters": {"as_of": "2023-11-15T12:00:00Z"}}, **NEVER))
        after = published_log(Tracker(DATASET).client, NAME)
        assert before is not None and after is not None
        assert after.fingerprint == before.fingerprint


def test_titles_that_come_later_are_in_the_next_lists_without_a_training(
    workspace: Path, log: Path, prefect_server: None
) -> None:
    first = retrain(RetrainSettings.model_validate(tiny_settings("titled", log)))
    assert pd.read_csv(str(first.recommendations))["title"].isna().all()
    titles = log.with_name("titles.csv")
    pd.DataFrame({"item_id": range(ITEMS), "title": [f"song {n}" for n in range(ITEMS)]}).to_csv(titles, index=False)
    source = {"path": str(log), "titles_path": str(titles)}
    again = retrain(RetrainSettings.model_validate(tiny_settings("titled", log) | {"source": source}))
    assert not again.trained
    lists = pd.read_csv(str(again.recommendations))
    assert (lists["title"] == lists["item_id"].map("song {}".format)).all()
    assert np.all(lists["source"] == "model")
