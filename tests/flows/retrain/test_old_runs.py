"""What retrainings of long ago take up: weights of models that did not win, and checkpoints."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from flows.registry.alias import BUNDLE, has_bundle
from flows.registry.models import register_model
from flows.retrain.comparison import PAGE
from flows.retrain.old_runs import (
    FORGOTTEN_SECONDS,
    close_abandoned,
    remove_old_checkpoints,
    remove_unregistered_weights,
)
from flows.retrain.train import checkpoint_folder
from flows.tracking import COMPLETE, MODEL
from flows.tracking.tracker import ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.files import CACHE_VARIABLE
from tests.flows.registry.registered_models import register_version
from tests.ncf.toy_data import checkerboard

NAME = "ncf-shop"


@pytest.fixture
def tracker(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return Tracker("shop")


def add_model(tracker: Tracker, parent_id: str, name: str, data: PreparedData) -> str:
    run_id = tracker.start_model(parent_id, name, {}, data)
    with TemporaryDirectory() as scratch:
        (Path(scratch) / "weights.safetensors").write_text(name)
        tracker.files.log_folder(run_id, Path(scratch), BUNDLE)
        tracker.files.log_text(run_id, "figures", "users.csv")
    tracker.finish(run_id)
    return run_id


def add_retraining(tracker: Tracker, seed: int, finished: bool = True) -> tuple[str, dict[str, str]]:
    """A retraining whose MLP won and was registered. Returns its run id, and those of its models."""
    data = checkerboard()
    parent = tracker.start_retraining(f"key-{seed}", {}, data, {"ncf.settings": "defaults"})
    models = {name: add_model(tracker, parent, name, data) for name in ("gmf", "mlp")}
    if finished:
        if not tracker.client.search_registered_models(f"name = '{NAME}'"):
            tracker.client.create_registered_model(NAME)
        tracker.client.create_model_version(NAME, f"runs:/{models['mlp']}/{BUNDLE}", models["mlp"])
        tracker.files.log_text(parent, "a large page", PAGE)
        tracker.files.log_text(parent, "a picture", "comparison.png")
        tracker.finish(parent)
    return parent, models


def kept(tracker: Tracker, models: dict[str, str]) -> set[str]:
    return {name for name, run_id in models.items() if has_bundle(tracker.client, run_id)}


def test_old_retrainings_keep_the_weights_of_winners_alone(tracker: Tracker) -> None:
    made = [add_retraining(tracker, seed) for seed in range(4)]
    current = made[-1][0]
    assert remove_unregistered_weights(tracker, NAME, 2, current) == 2
    assert [kept(tracker, models) for _, models in made] == [*[{"mlp"}] * 2, *[{"gmf", "mlp"}] * 2]
    loser = tracker.client.get_run(made[0][1]["gmf"])
    assert loser.data.tags[COMPLETE] == "true" and loser.data.tags[MODEL] == "gmf"
    assert tracker.files.read_bytes(loser.info.run_id, "users.csv") == b"figures"
    files = [{file.path for file in tracker.client.list_artifacts(parent)} for parent, _ in made]
    assert files == [*[{"comparison.png"}] * 2, *[{"comparison.png", PAGE}] * 2]
    assert remove_unregistered_weights(tracker, NAME, 2, current) == 0


def test_an_old_interrupted_retraining_would_train_again_what_lost_its_weights(tracker: Tracker) -> None:
    parent, models = add_retraining(tracker, 0, finished=False)
    made = [add_retraining(tracker, seed) for seed in (1, 2)]
    assert remove_unregistered_weights(tracker, NAME, 1, parent) == 1, "the one that goes on keeps its own"
    assert kept(tracker, models) == {"gmf", "mlp"}
    assert remove_unregistered_weights(tracker, NAME, 1, made[-1][0]) == 2
    assert kept(tracker, models) == set()
    assert tracker.find_model(parent, "gmf") is None
    tracker.resume(parent)
    add_model(tracker, parent, "gmf", checkerboard())
    assert remove_unregistered_weights(tracker, NAME, 1, made[-1][0]) == 1, "what was trained again is old again"


def test_checkpoints_go_when_nobody_will_go_on_from_them(tracker: Tracker) -> None:
    old, _ = add_retraining(tracker, 0, finished=False)
    data = checkerboard()
    half = tracker.start_model(old, "neumf", {}, data)
    deleted = tracker.start_model(old, "neumf", {}, data)
    tracker.client.delete_run(deleted)
    newer, models = add_retraining(tracker, 1)
    strange, forgotten = "0" * 32, "1" * 32
    for name in (half, deleted, models["gmf"], strange, forgotten):
        checkpoint_folder(name).mkdir(parents=True)
    long_ago = time.time() - FORGOTTEN_SECONDS - 60
    os.utime(checkpoint_folder(forgotten), (long_ago, long_ago))
    assert remove_old_checkpoints(tracker) == 3
    assert checkpoint_folder(half).exists() and checkpoint_folder(strange).exists()
    remove_unregistered_weights(tracker, NAME, 1, newer)
    assert remove_old_checkpoints(tracker) == 1
    assert [folder.name for folder in checkpoint_folder(half).parent.iterdir()] == [strange]


def test_a_retraining_that_was_killed_is_closed_by_the_next_one(tracker: Tracker) -> None:
    done, models = add_retraining(tracker, 0)
    killed, _ = add_retraining(tracker, 1, finished=False)
    half = tracker.start_model(killed, "neumf", {}, checkerboard())
    registering = tracker.start_model(killed, "gmf", {}, checkerboard())
    tracker.finish(registering)
    tracker.client.update_run(registering, status="RUNNING")  # as MLflow does while it logs the model
    current, _ = add_retraining(tracker, 2, finished=False)
    close_abandoned(tracker, current)

    def status(run_id: str) -> str:
        return str(tracker.client.get_run(run_id).info.status)

    assert [status(run_id) for run_id in (done, models["gmf"], registering, killed, half, current)] == [
        *["FINISHED"] * 3,
        *["KILLED"] * 2,
        "RUNNING",
    ]


def test_a_version_whose_registration_was_killed_gets_its_description(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise MlflowException("killed")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "update_model_version", killed)
        with pytest.raises(MlflowException, match="killed"):
            register_version(tracker, checkerboard())
    [half] = tracker.client.search_model_versions("name = 'ncf-ml-100k'")
    model = ModelRun("gmf", str(half.run_id), {})
    assert register_model(tracker, "ncf-ml-100k", model, {}, "what it is") == 1
    assert tracker.client.get_model_version("ncf-ml-100k", "1").description == "what it is"


def test_the_names_of_runs_have_their_time_in_utc(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "WST12")
    time.tzset()
    try:
        run = tracker.client.get_run(tracker.start_retraining("key", {}, checkerboard()))
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    began = run.info.start_time / 1000
    names = [f"retrain shop {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(began - late))} UTC" for late in (0, 1)]
    assert run.info.run_name in names
