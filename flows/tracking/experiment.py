"""One experiment of MLflow: its runs, what they logged, and what is written to them. Files are in files.py."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from flows.tracking.files import Artifacts
from flows.tracking.notes import flow_run_tags, mlflow_run_url
from flows.tracking.store import TrackingError, connect, quiet_mlflow, sqlite_folder, tracking_uri
from ncf.data.prepared import PreparedData

MAX_PARAM_LENGTH = 6000  # MLflow's limit


class Experiment:
    """One experiment, named after the data set.

    Args:
        dataset: the data set's name.
    """

    def __init__(self, dataset: str) -> None:
        self.uri = tracking_uri()
        self.dataset = dataset

    @cached_property
    def client(self) -> MlflowClient:
        """The client, connected on first use."""
        return connect(self.uri)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The files of the runs."""
        return Artifacts(self.client)

    @cached_property
    def experiment_id(self) -> str:
        """The data set's experiment, made on first use.

        Raises:
            TrackingError: a server made it, and the database is read without that server.
        """
        found = self.client.get_experiment_by_name(self.dataset)
        folder = sqlite_folder(self.uri)
        if found is not None:
            if folder and str(found.artifact_location).startswith("mlflow-artifacts:"):
                raise TrackingError(
                    "the files of this experiment were kept by an MLflow server, and can't be reached without it",
                    got=self.dataset,
                    do="start it (make up), or set $MLFLOW_TRACKING_URI to it",
                )
            return str(found.experiment_id)
        artifacts = (folder / "artifacts" / self.dataset).as_uri() if folder else None
        tags = {"mlflow.experimentKind": "custom_model_development"}  # else the UI opens it as a GenAI experiment
        return str(self.client.create_experiment(self.dataset, artifact_location=artifacts, tags=tags))

    def nested(self, parent_id: str, tag: tuple[str, str] | None = None) -> list[Run]:
        """The runs inside a parent run, or those of them with this tag."""
        tags = [(MLFLOW_PARENT_RUN_ID, parent_id), *([tag] if tag else [])]
        return self.search(" and ".join(f"tags.`{name}` = '{value}'" for name, value in tags))

    def search(self, wanted: str) -> list[Run]:
        """All runs of the data set for which MLflow's filter is true, the newest first."""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], wanted, order_by=["attributes.start_time DESC"], page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def series(self, run_id: str, keys: Iterable[str]) -> dict[str, dict[int, float]]:
        """What was logged by step, under each key that has anything.

        A resumed training logs the epochs since its checkpoint again: of a repeated step the last value counts.
        """
        histories = {key: self.client.get_metric_history(run_id, key) for key in keys}
        in_time = {key: sorted(history, key=lambda point: point.timestamp) for key, history in histories.items()}
        return {key: {point.step: point.value for point in points} for key, points in in_time.items() if points}

    def url(self, run_id: str) -> str:
        """The run's page on the MLflow server; empty for a database."""
        return mlflow_run_url(self.uri, self.experiment_id, run_id)

    def create_run(self, name: str, tags: Mapping[str, str], settings: Mapping[str, Any] | None = None) -> str:
        """Open a run with these tags; its settings are parameters. Returns its id."""
        commit = get_git_commit(str(Path.cwd()))
        every = {**resolve_tags(), **({MLFLOW_GIT_COMMIT: commit} if commit else {}), **flow_run_tags(), **tags}
        run_id = str(self.client.create_run(self.experiment_id, run_name=name, tags=every).info.run_id)
        if settings:
            self._log_settings(run_id, settings)
        return run_id

    def _log_settings(self, run_id: str, settings: Mapping[str, Any]) -> None:
        listed = [Param(key, str(value)[:MAX_PARAM_LENGTH]) for key, value in settings.items() if value is not None]
        self.client.log_batch(run_id, params=listed)

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int = 0, time: datetime | None = None
    ) -> None:
        """Log final values, without steps; or those of one step, perhaps of another time than now."""
        when = milliseconds(time or datetime.now(UTC))
        self.client.log_batch(run_id, metrics=[Metric(key, value, when, step) for key, value in metrics.items()])

    def log_data(self, run_id: str, data: PreparedData) -> None:
        """Log the train pairs as an MLflow data set input; only its schema and profile are stored, not its rows."""
        frame = pd.DataFrame({"user": data.train.users, "item": data.train.items})
        with quiet_mlflow():
            dataset = from_pandas(frame, source=self.dataset, name=data.name, digest=data.fingerprint[:12])
            context = InputTag("mlflow.data.context", "training")
            self.client.log_inputs(run_id, [DatasetInput(dataset._to_mlflow_entity(), [context])])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags of a run."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)

    def set_notes(self, run_id: str, markdown: str) -> None:
        """Write the text that the UI shows on a run's page."""
        self.client.set_tag(run_id, MLFLOW_RUN_NOTE, markdown)


def milliseconds(time: datetime) -> int:
    """Since 1970, as MLflow counts."""
    return int(time.timestamp() * 1000)
