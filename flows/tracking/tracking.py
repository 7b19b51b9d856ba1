"""The life of a retraining or tuning in MLflow: where it is kept, found again and continued."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Run, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from flows.tracking.experiment import Experiment
from flows.tracking.keys import WEIGHTS_STATE
from flows.tracking.notes import flow_run_tags
from ncf.data.prepared import PreparedData

COMPLETE, KEY, MODEL, FINGERPRINT = "ncf.complete", "ncf.key", "ncf.model", "ncf.fingerprint"
TUNING = "ncf.tuning"
RUNNING = RunStatus.to_string(RunStatus.RUNNING)


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


class Tracker(Experiment):
    """The life of retrainings, tunings and their models in one experiment."""

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
        return self.create_run(dated(f"{title} {self.dataset}"), every, settings)

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
        return str(found[0].info.run_id) if found else self.create_run(title, {tag: value})

    def reopen(self, run_id: str) -> None:
        """Take the mark of completeness from a run whose end is written anew."""
        if COMPLETE in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, COMPLETE)

    def resume_retraining(self, run_id: str) -> None:
        """Go on with an interrupted parent run."""
        self.client.update_run(run_id, status=RUNNING)
        self.set_tags(run_id, flow_run_tags())
        if WEIGHTS_STATE in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, WEIGHTS_STATE)  # it gets weights anew

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
            elif run.info.status == RUNNING:  # MLflow opened it again to log its model, and a kill came in between
                self.client.set_terminated(run.info.run_id, end_time=run.info.end_time)

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
                    self.client.update_run(run_id, status=RUNNING)
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
        return self.create_run(title, {MLFLOW_PARENT_RUN_ID: parent_id, **tags}, settings)

    def end_nested(self, run_id: str, status: str, tags: Mapping[str, str]) -> None:
        """Close a nested run: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)
        self.set_tags(run_id, tags)


def dated(name: str) -> str:
    """A run's name with the time it began, so that runs of several days can be told apart in a list.

    In UTC: the machines of one MLflow may be in several time zones, and local time repeats an hour every autumn.
    """
    return f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
