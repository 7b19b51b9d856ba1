"""One experiment of MLflow: its runs, what they log, and how they are found again and continued."""

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

from flows.tracking import COMPLETE, FINGERPRINT, KEY, MODEL, TUNING, WEIGHTS_STATE
from flows.tracking.files import RunFiles
from flows.tracking.links import VIEW_PREFIX, VIEW_TAG, VIEWS_KEPT, comparison_page, comparison_view, flow_run_tags
from flows.tracking.locations import check_files, location, sqlite_file
from flows.tracking.store import connect, quiet_mlflow, tracking_uri
from ncf.data.prepared import PreparedData

MAX_PARAM_LENGTH = 6000  # MLflow's limit
RUNNING = RunStatus.to_string(RunStatus.RUNNING)


@dataclass(frozen=True)
class ModelRun:
    """A finished model of one retraining, as MLflow has it.

    Attributes:
        name: popularity, item-knn, ease, ials, gmf, mlp, neumf or neumf-pretrained.
        run_id: the nested run.
        metrics: keys as in docs/metrics.md, such as "test/full/ndcg_at_10".
    """

    name: str
    run_id: str
    metrics: Mapping[str, float]


class Tracker:
    """The experiment of a data set, under the data set's name.

    A retraining, a tuning or a backtest is a parent run; each of its models and trials is a nested run. A finished run
    has the tag COMPLETE, and is never computed again.

    Args:
        dataset: the data set's name.
        uri: of MLflow; by default where the commands in this folder find it.
    """

    def __init__(self, dataset: str, uri: str | None = None) -> None:
        self.uri = tracking_uri() if uri is None else uri
        self.dataset = dataset

    @cached_property
    def client(self) -> MlflowClient:
        """The client, connected on first use."""
        return connect(self.uri)

    @cached_property
    def files(self) -> RunFiles:
        """The files of the runs."""
        return RunFiles(self.client)

    @cached_property
    def experiment_id(self) -> str:
        """The data set's experiment, created on first use.

        Raises:
            TrackingError: a server created it, and the database is read without that server.
        """
        found = self.client.get_experiment_by_name(self.dataset)
        database = sqlite_file(self.uri)
        if found is not None:
            if database is not None:
                check_files(database, self.dataset, str(found.artifact_location))
            return str(found.experiment_id)
        artifacts = None if database is None else location(self.dataset)
        tags = {"mlflow.experimentKind": "custom_model_development"}  # else the UI opens it as a GenAI experiment
        return str(self.client.create_experiment(self.dataset, artifact_location=artifacts, tags=tags))

    # --- find runs ---------------------------------------------------------------------------------------------------

    def search(self, filter_string: str) -> list[Run]:
        """All runs of the data set that match MLflow's filter, newest first."""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], filter_string, order_by=["attributes.start_time DESC"], page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def newest_run(self, key: str) -> Run | None:
        """The newest parent run of these settings, data and version, finished or not."""
        return self._first(f"tags.`{KEY}` = '{key}'")

    def newest_tuning(self, model: str) -> Run | None:
        """The parent run of a model's finished tuning that ended last."""
        return self._first(f"tags.`{TUNING}` = '{model}' and tags.`{COMPLETE}` = 'true'", "end_time")

    def nested(self, parent_id: str, tag: tuple[str, str] | None = None) -> list[Run]:
        """The runs inside a parent run, or those of them with this tag."""
        tags = [(MLFLOW_PARENT_RUN_ID, parent_id), *([tag] if tag else [])]
        return self.search(" and ".join(f"tags.`{name}` = '{value}'" for name, value in tags))

    def find_model(self, parent_id: str, name: str) -> ModelRun | None:
        """The finished nested run of a model, if there is one."""
        for run in self.nested(parent_id):
            if run.data.tags.get(MODEL) == name and COMPLETE in run.data.tags:
                return ModelRun(name, run.info.run_id, dict(run.data.metrics))
        return None

    def _first(self, filter_string: str, newest_by: str = "start_time") -> Run | None:
        order = [f"attributes.{newest_by} DESC"]
        found = self.client.search_runs([self.experiment_id], filter_string, order_by=order, max_results=1)
        return found[0] if found else None

    # --- start, continue and end runs --------------------------------------------------------------------------------

    def start_retraining(
        self,
        key: str,
        settings: Mapping[str, Any],
        data: PreparedData,
        tags: Mapping[str, str] | None = None,
        title: str = "retrain",
    ) -> str:
        """Start a parent run with its prepared data as MLflow's data set. Returns the run id."""
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
        """Start a parent run, named by title and time, with its settings as parameters. Returns the run id."""
        all_tags = {KEY: key, FINGERPRINT: fingerprint, **(tags or {})}
        return self.create_run(with_time(f"{title} {self.dataset}"), all_tags, settings)

    def start_model(
        self, parent_id: str, name: str, settings: Mapping[str, Any], data: PreparedData, title: str = ""
    ) -> str:
        """Start the nested run of a model, named by model and time or by its title. Returns the run id."""
        tags = {MODEL: name, FINGERPRINT: data.fingerprint}
        run_id = self.start_nested(parent_id, title or with_time(name), settings, tags)
        self.log_data(run_id, data)
        return run_id

    def start_nested(self, parent_id: str, title: str, settings: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Start a nested run. Returns the run id."""
        return self.create_run(title, {MLFLOW_PARENT_RUN_ID: parent_id, **tags}, settings)

    def get_or_create_run(self, tag: str, value: str, title: str) -> str:
        """The id of the run with this tag, created on first use."""
        found = self._first(f"tags.`{tag}` = '{value}'")
        return str(found.info.run_id) if found else self.create_run(title, {tag: value})

    def create_run(self, name: str, tags: Mapping[str, str], settings: Mapping[str, Any] | None = None) -> str:
        """Start a run with these tags and, as parameters, its settings. Returns the run id."""
        commit = get_git_commit(str(Path.cwd()))
        all_tags = {**resolve_tags(), **({MLFLOW_GIT_COMMIT: commit} if commit else {}), **flow_run_tags(), **tags}
        run_id = str(self.client.create_run(self.experiment_id, run_name=name, tags=all_tags).info.run_id)
        params = [
            Param(key, str(value)[:MAX_PARAM_LENGTH]) for key, value in (settings or {}).items() if value is not None
        ]
        if params:
            self.client.log_batch(run_id, params=params)
        return run_id

    def resume(self, run_id: str) -> None:
        """Continue an interrupted parent run."""
        self.client.update_run(run_id, status=RUNNING)
        self.set_tags(run_id, flow_run_tags())
        if WEIGHTS_STATE in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, WEIGHTS_STATE)  # its models get weights again

    def resume_model(self, parent_id: str, name: str, can_resume: Callable[[str], bool]) -> str | None:
        """Continue the interrupted nested run of a model; delete those whose training can't continue.

        Args:
            parent_id: the parent run.
            name: the model's name.
            can_resume: whether there is a checkpoint for a run id.

        Returns:
            The run id, or None if the training starts from the beginning.
        """
        resumed = None
        for run in self.nested(parent_id):
            if run.data.tags.get(MODEL) == name and COMPLETE not in run.data.tags:
                run_id = str(run.info.run_id)
                if resumed is None and can_resume(run_id):
                    self.client.update_run(run_id, status=RUNNING)
                    resumed = run_id
                else:
                    self.client.delete_run(run_id)
        return resumed

    def finish(self, run_id: str) -> None:
        """Mark a run as complete, so that it is never computed again."""
        self.client.set_terminated(run_id)  # first: a run without the tag is finished again after an interruption
        self.client.set_tag(run_id, COMPLETE, "true")

    def reopen(self, run_id: str) -> None:
        """Remove the mark of completeness, before the results of a run are written again."""
        if COMPLETE in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, COMPLETE)

    def end_nested(self, run_id: str, status: str, tags: Mapping[str, str]) -> None:
        """End a nested run as FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)
        self.set_tags(run_id, tags)

    @contextmanager
    def interrupted_on_error(self, run_id: str) -> Iterator[str]:
        """End a run and its open nested runs as FAILED or KILLED if the block raises."""
        try:
            yield run_id
        except BaseException as error:
            self.interrupt(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise

    def interrupt(self, run_id: str, status: str) -> None:
        """End an incomplete run and its open nested runs with this status."""
        for run in [*self.nested(run_id), self.client.get_run(run_id)]:
            if COMPLETE not in run.data.tags:
                self.client.set_terminated(run.info.run_id, status)
            elif run.info.status == RUNNING:  # MLflow opened it again to log its model, and a kill came in between
                self.client.set_terminated(run.info.run_id, end_time=run.info.end_time)

    # --- log and read ------------------------------------------------------------------------------------------------

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int = 0, time: datetime | None = None
    ) -> None:
        """Log values of one step, at a time other than now if one is given."""
        timestamp = milliseconds(time or datetime.now(UTC))
        self.client.log_batch(run_id, metrics=[Metric(key, value, timestamp, step) for key, value in metrics.items()])

    def log_data(self, run_id: str, data: PreparedData) -> None:
        """Log the train pairs as an MLflow data set; MLflow stores its schema and profile, not its rows."""
        frame = pd.DataFrame({"user": data.train.users, "item": data.train.items})
        with quiet_mlflow():
            dataset = from_pandas(frame, source=self.dataset, name=data.name, digest=data.fingerprint[:12])
            context = InputTag("mlflow.data.context", "training")
            self.client.log_inputs(run_id, [DatasetInput(dataset._to_mlflow_entity(), [context])])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)

    def set_notes(self, run_id: str, markdown: str) -> None:
        """Set the text that the UI shows on a run's page."""
        self.client.set_tag(run_id, MLFLOW_RUN_NOTE, markdown)

    def series(self, run_id: str, keys: Iterable[str]) -> dict[str, dict[int, float]]:
        """The logged values by step, of each key that has any.

        A resumed training logs the epochs since its checkpoint again: the last value of a step counts.
        """
        histories = {key: self.client.get_metric_history(run_id, key) for key in keys}
        in_time = {key: sorted(history, key=lambda point: point.timestamp) for key, history in histories.items()}
        return {key: {point.step: point.value for point in points} for key, points in in_time.items() if points}

    def page(self, run_id: str) -> str:
        """The run's page in MLflow, below the server's address."""
        return f"experiments/{self.experiment_id}/runs/{run_id}"

    def share_comparison(self, run_id: str) -> str:
        """Keep a view of MLflow's page that compares the models of a retraining.

        The views of older retrainings are removed; their links then lead to the list of runs.

        Returns:
            The page with this view, below the server's address.
        """
        start = int(self.client.get_run(run_id).info.start_time)
        key = f"{VIEW_PREFIX}{start:013}-{run_id}"
        self.client.set_experiment_tag(self.experiment_id, VIEW_TAG + key, comparison_view(run_id))
        tags = self.client.get_experiment(self.experiment_id).tags
        ours = sorted(tag for tag in tags if tag.startswith(VIEW_TAG + VIEW_PREFIX))
        for tag in ours[:-VIEWS_KEPT]:
            self.client.delete_experiment_tag(self.experiment_id, tag)
        return comparison_page(self.experiment_id, key)


def with_time(name: str) -> str:
    """A run's name with the present time, so that runs of several days can be told apart in a list.

    In UTC: the machines of one MLflow may be in several time zones, and local time repeats an hour every autumn.
    """
    return f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def milliseconds(time: datetime) -> int:
    """Milliseconds since 1970, as MLflow counts."""
    return int(time.timestamp() * 1000)
