"""Tasks: train what would have been trained at one moment. What is finished is not trained again, in any backtest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.entities import Run
from prefect.logging import get_run_logger

from flows.backtest.settings import BacktestSettings
from flows.orchestration.tasks import task
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import GMF_NAME, MLP_NAME, PRETRAINED, train_model
from flows.tracking.keys import SECONDS
from flows.tracking.store import TrackingError
from flows.tracking.tracking import COMPLETE, FINGERPRINT, KEY, ModelRun, Tracker
from ncf import __version__
from ncf.backtest.replay import Replay
from ncf.content import content_key, flatten
from ncf.data.prepared import PreparedData
from ncf.data.times import time_of

AS_OF = "ncf.as_of"
DATA_REPORT = "data_report.md"


@dataclass(frozen=True)
class Trained:
    """The model of one moment.

    Attributes:
        model_run: MLflow run of the model that serves.
        seconds: of training, all models together that it takes.
    """

    model_run: str
    seconds: float


@task("train as of", "train as of {day}")
def train_as_of(
    tracker: Tracker, parent_id: str, settings: BacktestSettings, replay: Replay, moment: int, day: str
) -> Trained:
    """Train on the log as it was at a moment, in a nested run.

    Args:
        tracker: where the run is kept.
        parent_id: the backtest.
        settings: of the backtest.
        replay: the log.
        moment: microseconds since the epoch; the training sees what was before.
        day: the moment in words.
    """
    data = replay.before(moment)
    key = content_key(settings.learned(), data.fingerprint, __version__)
    earlier = _earlier(tracker, parent_id, key, anywhere=not settings.force)
    if earlier is not None and COMPLETE in earlier.data.tags:
        get_run_logger().info("the model as of %s is already trained, in MLflow run %s", day, earlier.info.run_id)
        return _trained(tracker, settings, earlier)
    get_run_logger().info("training as of %s on %s interactions", day, f"{len(data.train):,}")
    with _open(tracker, parent_id, settings, data, (key, day), earlier) as run_id:
        models = _train(tracker, run_id, settings.at(replay.config_at(moment)), settings.trained(), data)
        tracker.log_metrics(run_id, {SECONDS: sum(model.metrics[SECONDS] for model in models)})
        tracker.finish(run_id)
    return _trained(tracker, settings, tracker.client.get_run(run_id))


def day_of(moment: int) -> str:
    """A moment in words: its day, and the time unless it is midnight (UTC)."""
    time = time_of(moment)
    return f"{time:%Y-%m-%d}" if moment % 86_400_000_000 == 0 else f"{time:%Y-%m-%d %H:%M:%S}"


def _earlier(tracker: Tracker, parent_id: str, key: str, *, anywhere: bool) -> Run | None:
    """The run with a finished training of this key, of any backtest if that is asked; else this one's interrupted."""
    newest = tracker.newest_retraining(key) if anywhere else None
    if newest is not None and COMPLETE in newest.data.tags:
        return newest
    own = tracker.nested(parent_id, (KEY, key))
    return own[0] if own else None


@contextmanager
def _open(
    tracker: Tracker,
    parent_id: str,
    settings: BacktestSettings,
    data: PreparedData,
    named: tuple[str, str],
    earlier: Run | None,
) -> Iterator[str]:
    """The nested run of a moment: an interrupted one goes on, else a new one begins."""
    key, day = named
    if earlier is None:
        tags = {KEY: key, FINGERPRINT: data.fingerprint, AS_OF: day}
        run_id = tracker.start_nested(parent_id, f"as of {day}", flatten(settings.learned()), tags)
        tracker.log_data(run_id, data)
        tracker.artifacts.log_text(run_id, data.report.markdown(), DATA_REPORT)
    else:
        run_id = str(earlier.info.run_id)
        tracker.resume_retraining(run_id)
    with tracker.interrupted_on_error(run_id):
        yield run_id


def _train(
    tracker: Tracker, run_id: str, settings: RetrainSettings, names: Sequence[str], data: PreparedData
) -> list[ModelRun]:
    """Train these models as a retraining does."""
    done: dict[str, ModelRun] = {}
    for name in names:
        parts = (done[GMF_NAME], done[MLP_NAME]) if name == PRETRAINED else None
        done[name] = train_model(tracker, run_id, name, settings, data, pretrained=parts)
    return list(done.values())


def _trained(tracker: Tracker, settings: BacktestSettings, moment: Run) -> Trained:
    model = tracker.find_model(str(moment.info.run_id), settings.model)
    if model is None:
        raise TrackingError(
            f"the MLflow run {moment.info.run_id} is finished, but its model {settings.model} is gone",
            do="restore it, or train again with --force",
        )
    return Trained(model.run_id, moment.data.metrics[SECONDS])
