"""MLflow: where runs are kept, found again and continued. Files are flows/artifacts.py's matter."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunStatus
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from flows.artifacts import Artifacts
from flows.links import flow_run_tags, mlflow_run_url
from flows.store import TrackingError, connect, quiet_mlflow, sqlite_folder, tracking_uri
from flows.weights import STATE
from ncf.data.prepared import PreparedData

COMPLETE, KEY, MODEL, FINGERPRINT = "ncf.complete", "ncf.key", "ncf.model", "ncf.fingerprint"
TUNING = "ncf.tuning"
MAX_PARAM_LENGTH = 6000  # MLflow's limit


@dataclass(frozen=True)
class ModelRun:
    """A finished model of one retraining, as MLflow has it.

    Attributes:
        name: popularity, item-knn, ials, gmf, mlp, neumf or neumf-pretrained.
        run_id: the nested run.
        metrics: keys as in docs/metrics.md, such as "test/full/ndcg_at_10".
    """

    name: str
    run_id: str
    metrics: Mapping[str, float]


class Tracker:
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

    # --- retrainings and tunings -------------------------------------------------------------------------------------

    def newest_retraining(self, key: str) -> Run | None:
        """The newest parent run with these settings, data and version; finished or not."""
        found = self.client.search_runs(
            [self.experiment_id], f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time DESC"], max_results=1
        )
        return found[0] if found else None

    def start_retraining(
        self,
        key: str,
        settings: Mapping[str, Any],
        data: PreparedData,
        tags: Mapping[str, str] | None = None,
        title: str = "retrain",
    ) -> str:
        """Open a parent run; its settings are parameters and its data an MLflow data set. Returns the run id."""
        run_id = self.start_parent(key, data.fingerprint, settings, title, tags)
        self.log_data(run_id, data)
        return run_id

    def start_parent(
        self,
        key: str,
        fingerprint: str,
        settings: Mapping[str, Any],
        title: str,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Open a parent run under its title and time; its settings are parameters. Returns the run id."""
        every = {KEY: key, FINGERPRINT: fingerprint, **(tags or {})}
        run_id = self._create_run(dated(f"{title} {self.dataset}"), every)
        self._log(run_id, params=settings)
        return run_id

    def newest_tuning(self, model: str) -> Run | None:
        """The parent run of a model's finished tuning that ended last."""
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.`{TUNING}` = '{model}' and tags.`{COMPLETE}` = 'true'",
            order_by=["attributes.end_time DESC"],
            max_results=1,
        )
        return found[0] if found else None

    def tagged_run(self, tag: str, value: str, title: str) -> str:
        """The run that has this tag, made on first use. Returns its id."""
        found = self.client.search_runs([self.experiment_id], f"tags.`{tag}` = '{value}'", max_results=1)
        return str(found[0].info.run_id) if found else self._create_run(title, {tag: value})

    def reopen(self, run_id: str) -> None:
        """Take the mark of completeness from a run whose end is written anew."""
        if COMPLETE in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, COMPLETE)

    def resume_retraining(self, run_id: str) -> None:
        """Go on with an interrupted parent run."""
        self.client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
        self.set_tags(run_id, flow_run_tags())
        if STATE in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, STATE)  # it gets weights anew

    def url(self, run_id: str) -> str:
        """The run's page on the MLflow server; empty for a database."""
        return mlflow_run_url(self.uri, self.experiment_id, run_id)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags of a run."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)

    def set_notes(self, run_id: str, markdown: str) -> None:
        """Write the text that the UI shows on a run's page."""
        self.client.set_tag(run_id, MLFLOW_RUN_NOTE, markdown)

    def finish(self, run_id: str) -> None:
        """Mark a run as complete: what has this mark is never done again."""
        self.client.set_terminated(run_id)  # first: without the mark an interrupted end is simply done again
        self.client.set_tag(run_id, COMPLETE, "true")

    @contextmanager
    def interrupted_on_error(self, run_id: str) -> Iterator[str]:
        """Close a run, and its open nested runs, as FAILED or KILLED if the block does not come to its end."""
        try:
            yield run_id
        except BaseException as error:
            self.interrupt(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise

    def interrupt(self, run_id: str, status: str) -> None:
        """Close a run that did not come to its end, and its open nested runs."""
        for run in [*self.nested(run_id), self.client.get_run(run_id)]:
            if COMPLETE not in run.data.tags:
                self.client.set_terminated(run.info.run_id, status)

    # --- models ------------------------------------------------------------------------------------------------------

    def find_model(self, parent_id: str, name: str) -> ModelRun | None:
        """The finished nested run of a model, if there is one."""
        for run in self.nested(parent_id):
            if run.data.tags.get(MODEL) == name and COMPLETE in run.data.tags:
                return ModelRun(name, run.info.run_id, dict(run.data.metrics))
        return None

    def resume_model(self, parent_id: str, name: str, can_resume: Callable[[str], bool]) -> str | None:
        """Go on with the interrupted nested run of a model, if its training can be; else forget it.

        Args:
            parent_id: the retraining it belongs to.
            name: the model's name.
            can_resume: whether there is a checkpoint for a run id.
        """
        resumed = None
        for run in self.nested(parent_id):
            if run.data.tags.get(MODEL) == name and COMPLETE not in run.data.tags:
                run_id = str(run.info.run_id)
                if resumed is None and can_resume(run_id):
                    self.client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
                    resumed = run_id
                else:
                    self.client.delete_run(run_id)
        return resumed

    def start_model(
        self, parent_id: str, name: str, settings: Mapping[str, Any], data: PreparedData, title: str = ""
    ) -> str:
        """Open the nested run of a model, under its name and time, or another title. Returns the run id."""
        tags = {MODEL: name, FINGERPRINT: data.fingerprint}
        run_id = self.start_nested(parent_id, title or dated(name), settings, tags)
        self.log_data(run_id, data)
        return run_id

    def start_nested(self, parent_id: str, title: str, settings: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Open a nested run. Returns the run id."""
        run_id = self._create_run(title, {MLFLOW_PARENT_RUN_ID: parent_id, **tags})
        self._log(run_id, params=settings)
        return run_id

    def end_nested(self, run_id: str, status: str, tags: Mapping[str, str]) -> None:
        """Close a nested run: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)
        self.set_tags(run_id, tags)

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int = 0, time: datetime | None = None
    ) -> None:
        """Log final values, without steps; or those of one step, perhaps of another time than now."""
        when = int((time or datetime.now(UTC)).timestamp() * 1000)
        self.client.log_batch(run_id, metrics=[Metric(key, value, when, step) for key, value in metrics.items()])

    def series(self, run_id: str, keys: Iterable[str]) -> dict[str, dict[int, float]]:
        """What was logged by step, under each key that has anything.

        A resumed training logs the epochs since its checkpoint again: of a repeated step the last value counts.
        """
        histories = {key: self.client.get_metric_history(run_id, key) for key in keys}
        in_time = {key: sorted(history, key=lambda point: point.timestamp) for key, history in histories.items()}
        return {key: {point.step: point.value for point in points} for key, points in in_time.items() if points}

    def log_data(self, run_id: str, data: PreparedData) -> None:
        """Log the train pairs as an MLflow data set input; only its schema and profile are stored, not its rows."""
        frame = pd.DataFrame({"user": data.train.users, "item": data.train.items})
        with quiet_mlflow():
            dataset = from_pandas(frame, source=self.dataset, name=data.name, digest=data.fingerprint[:12])
            context = InputTag("mlflow.data.context", "training")
            self.client.log_inputs(run_id, [DatasetInput(dataset._to_mlflow_entity(), [context])])

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

    def _create_run(self, name: str, tags: Mapping[str, str]) -> str:
        commit = get_git_commit(str(Path.cwd()))
        every = {**resolve_tags(), **({MLFLOW_GIT_COMMIT: commit} if commit else {}), **flow_run_tags(), **tags}
        return str(self.client.create_run(self.experiment_id, run_name=name, tags=every).info.run_id)

    def _log(self, run_id: str, params: Mapping[str, Any]) -> None:
        listed = [Param(key, str(value)[:MAX_PARAM_LENGTH]) for key, value in params.items() if value is not None]
        self.client.log_batch(run_id, params=listed)


def dated(name: str) -> str:
    """A run's name with the time it began, so that runs of several days can be told apart in a list.

    In UTC: the machines of one MLflow may be in several time zones, and local time repeats an hour every autumn.
    """
    return f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
