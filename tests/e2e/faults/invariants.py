"""What must hold whatever happened: nothing half done, nothing lost, nothing done twice."""

from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from flows.registry.alias import CHALLENGER, CHAMPION, version_by_alias, why_incomplete
from flows.registry.log import read_log

MODELS = {"popularity", "gmf", "mlp", "neumf", "neumf-pretrained"}
COMPLETE, MODEL, PARENT = "ncf.complete", "ncf.model", "mlflow.parentRunId"


def runs_of(client: MlflowClient, dataset: str) -> list[Run]:
    """Every MLflow run of a data set."""
    experiment = client.get_experiment_by_name(dataset)
    return list(client.search_runs([experiment.experiment_id], max_results=5000)) if experiment else []


def finished(client: MlflowClient, dataset: str, seed: int = 0) -> dict[str, str]:
    """MLflow run id of each finished model of a seed."""
    found = runs_of(client, dataset)
    parents = {run.info.run_id for run in found if _is_retraining(run) and run.data.params.get("seed") == str(seed)}
    return {
        run.data.tags[MODEL]: run.info.run_id
        for run in found
        if run.data.tags.get(PARENT) in parents and COMPLETE in run.data.tags
    }


def assert_whole(uri: str, dataset: str, retrainings: int = 1) -> None:
    """After a retraining that came to its end, whatever happened before.

    Args:
        uri: where MLflow is.
        dataset: the data set's name.
        retrainings: that are there, each with other settings.
    """
    client = MlflowClient(uri)
    assert_runs_are_whole(runs_of(client, dataset), retrainings)
    assert_registry_is_whole(client, uri, f"ncf-{dataset}", retrainings)


def assert_runs_are_whole(found: list[Run], retrainings: int) -> None:
    """Each retraining and each of its models has one run, and it is finished."""
    parents = [run for run in found if _is_retraining(run)]
    assert len(parents) == retrainings
    for run in found:
        assert (run.info.status, run.data.tags.get(COMPLETE)) == ("FINISHED", "true"), run.data.tags
    for parent in parents:
        models = [run.data.tags[MODEL] for run in found if run.data.tags.get(PARENT) == parent.info.run_id]
        assert sorted(models) == sorted(MODELS), "a model is missing, or was trained twice"


def assert_registry_is_whole(client: MlflowClient, uri: str, name: str, retrainings: int) -> None:
    """One version a retraining, each with its files, its description and its decision; one unbroken log."""
    versions = {int(each.version): each for each in client.search_model_versions(f"name = '{name}'")}
    assert sorted(versions) == list(range(1, retrainings + 1))
    for number in versions:
        version = client.get_model_version(name, str(number))
        assert version.status == "READY" and "Test holdout" in str(version.description), number
        assert {"ncf.promoted", "ncf.reason", "ncf.figures", "ncf.bundle_sha256"} <= version.tags.keys(), number
        if "ncf.weights" not in version.tags:
            assert why_incomplete(client, uri, version) == ""
    assert_log_is_unbroken(client, name)
    champion, challenger = (version_by_alias(client, name, alias) for alias in (CHAMPION, CHALLENGER))
    assert champion is not None and why_incomplete(client, uri, champion) == "", "the champion was lost"
    assert challenger is not None and int(challenger.version) == retrainings


def assert_log_is_unbroken(client: MlflowClient, name: str) -> None:
    """Each promotion is there once, begins where the one before it ended, and the last one serves."""
    entries = read_log(client, name)
    done = [entry for entry in entries if entry.state == "done"]
    assert {entry.state for entry in entries} <= {"done", "interrupted"}
    assert [entry.before for entry in done] == [None, *(entry.after for entry in done[:-1])]
    assert {entry.what for entry in done} == {"promoted"}
    promoted = [entry.after for entry in done]
    assert len(set(promoted)) == len(promoted), "promoted twice"
    champion = version_by_alias(client, name, CHAMPION)
    assert champion is not None and int(champion.version) == promoted[-1]


def assert_not_trained_again(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Models that were finished have the run that they had."""
    assert {name: after.get(name) for name in before} == dict(before)


def _is_retraining(run: Run) -> bool:
    return PARENT not in run.data.tags and "ncf.key" in run.data.tags


def versions_and_champion(uri: str, dataset: str) -> tuple[int, Any]:
    """How many versions there are, and which one serves."""
    client, name = MlflowClient(uri), f"ncf-{dataset}"
    champion = version_by_alias(client, name, CHAMPION)
    return len(client.search_model_versions(f"name = '{name}'")), champion and int(champion.version)
