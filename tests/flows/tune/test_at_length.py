"""Whole tunings that take their time: pruned and failed trials, two objectives, all models one after the other."""

import pytest
from mlflow.entities import Run

from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import TUNED
from flows.tune.flow import tune
from tests.flows.conftest import SHORT
from tests.flows.stored_results import trial_runs
from tests.flows.tune.tunings import SPACE, grid_search, short_tuning

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("workspace", "prefect_server")]


def test_pruned_and_failed_trials_are_told_apart_with_the_reason() -> None:
    choices = grid_search(
        learning_rate=[0.01, 1e-9], loss=["bce", "bpr"], unobserved_weight=[None, 1.0], negatives=["uniform", "all"]
    )
    pruner = {"kind": "median", "startup_trials": 1, "warmup_epochs": 0}
    given = {"training": SHORT | {"batch_size": 200_000, "max_epochs": 4}, "model": {"embedding_dim": 8}}
    report = tune(short_tuning(**choices, pruner=pruner, gmf=given)).models[0]
    states: dict[str, list[Run]] = {}
    for run in trial_runs(report.run_id).values():
        states.setdefault(run.data.tags["ncf.state"], []).append(run)
    assert {state: len(found) for state, found in states.items()} == report.tuned.trials
    assert len(states["failed"]) == 8, "bpr with all; a weight without all"
    assert all("ncf.reason" in run.data.tags for run in states["failed"])
    assert {run.info.status for run in states["failed"]} == {"FAILED"}
    assert {run.info.status for run in [*states["complete"], *states["pruned"]]} == {"FINISHED"}
    for run in states["pruned"]:
        assert int(run.data.metrics["epochs"]) < 4


def test_two_objectives_have_a_front_as_a_picture() -> None:
    space = dict.fromkeys(SPACE) | {"gmf.model.embedding_dim": {"choices": [2, 8, 16]}}
    given = {"training": SHORT | {"max_epochs": 2}, "model": {"embedding_dim": 8}}
    settings = short_tuning(space=space, sampler={"kind": "grid"}, second="size", confirm_seeds=1, gmf=given)
    report = tune(settings).models[0]
    files = {file.path for file in Tracker("ml-100k").client.list_artifacts(report.run_id)}
    assert {"pareto.png", "study.html", TUNED} <= files
    weights = {
        run.data.params["model.embedding_dim"]: run.data.metrics["weights"]
        for run in trial_runs(report.run_id).values()
    }
    assert weights["2"] < weights["8"] < weights["16"]


def test_the_chain_tunes_neumf_from_the_parts_just_tuned() -> None:
    short = {"training": SHORT | {"max_epochs": 3}}
    given = {"gmf": short, "mlp": short | {"model": {"layers": [16, 8]}}, "neumf": short, "neumf_pretrained": short}
    chain = tune(short_tuning(model="all", space={}, budget={"trials": 2}, confirm_seeds=1, **given))
    by_name = {report.tuned.model: report.tuned for report in chain.models}
    assert list(by_name) == ["gmf", "mlp", "neumf", "neumf-pretrained"]
    assert by_name["neumf-pretrained"].parts == {"gmf": by_name["gmf"].recipe, "mlp": by_name["mlp"].recipe}
