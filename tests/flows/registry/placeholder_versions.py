"""Registered versions made through MLflow's own API, with files where a retraining has them, in no time."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient

from flows.registry.alias import BUNDLE, LOGGED, WEIGHTS, Registry
from flows.registry.promotion import Change
from flows.tracking.locations import COLUMNS, SQLITE, location
from flows.tracking.store import global_store

NAME = "ncf-shop"
FIGURES = {"challenger": 0.2, "popularity": 0.1}


def new_registry(uri: str, versions: int = 0, name: str = NAME) -> Registry:
    registry = Registry(uri, name)
    registry.client.create_registered_model(name)
    for _ in range(versions):
        add_version(registry)
    return registry


def add_version(registry: Registry, figures: Mapping[str, float] | None = None) -> int:
    """A version with weights in its run and in its logged model."""
    client = registry.client
    experiment = client.get_experiment_by_name("shop")
    experiment_id = (
        experiment.experiment_id if experiment else client.create_experiment("shop", **_artifact_location(registry.uri))
    )
    run_id = client.create_run(experiment_id).info.run_id
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / LOGGED
        folder.mkdir(parents=True)
        for file in (WEIGHTS, "users.parquet"):
            (folder / file).write_text(file)
        (Path(scratch) / "MLmodel").write_text("flavors: {}")
        client.log_artifacts(run_id, str(folder), BUNDLE)
        model = client.create_logged_model(experiment_id, source_run_id=run_id)
        client.log_model_artifacts(model.model_id, scratch)
        client.finalize_logged_model(model.model_id, "READY")
    with global_store(registry.uri):
        version = client.create_model_version(registry.name, model.model_uri, run_id, model_id=model.model_id)
    kept = json.dumps(dict(FIGURES if figures is None else figures))
    client.set_model_version_tag(registry.name, version.version, "ncf.figures", kept)
    return int(version.version)


def _artifact_location(uri: str) -> dict[str, Any]:
    return {"artifact_location": location("shop")} if uri.startswith(SQLITE) else {}


def count_weights(client: MlflowClient, version: int, name: str = NAME) -> tuple[int, int]:
    """Number of files of the bundle, in the run and in the logged model."""
    found = client.get_model_version(name, str(version))
    of_run = client.list_artifacts(str(found.run_id), BUNDLE)
    of_model = client.list_logged_model_artifacts(str(found.source).removeprefix("models:/"), LOGGED)
    return len(of_run), len(of_model)


def change(after: int, reason: str = "better") -> Change:
    return Change(after, "promoted", "ann@desk", reason, FIGURES)


def name_folders(database: Path, folder: Path) -> None:
    """Give a store the locations of earlier versions, which name its folder."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, columns in COLUMNS.items():
            for column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = replace({column}, 'mlflow-artifacts:', ?)",
                    (f"{folder.as_uri()}/artifacts",),
                )
        connection.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (f"{folder.parent}/mlruns/0",)
        )
