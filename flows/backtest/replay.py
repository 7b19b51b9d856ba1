"""Tasks: train at one moment, and score one window with the models of its policies. Nothing finished is done again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from mlflow.entities import Run
from prefect.logging import get_run_logger

from flows.backtest.settings import BacktestSettings
from flows.orchestration.tasks import task
from flows.retrain.refit import refit_model
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import GMF_NAME, MLP_NAME, PRETRAINED, load_bundle, train_model
from flows.tracking import COMPLETE, FINGERPRINT, KEY, REFIT, SECONDS
from flows.tracking.locations import TrackingError
from flows.tracking.tracker import ModelRun, Tracker
from ncf import __version__
from ncf.backtest.plan import Plan, Window
from ncf.backtest.replay import Replay
from ncf.backtest.scoring import INTERACTIONS, KNOWN, Gate, column, metric_columns
from ncf.backtest.scoring import score_window as score_users
from ncf.config import content_key, flatten
from ncf.data import USER_ID
from ncf.data.prepared import PreparedData
from ncf.data.times import time_of
from ncf.evaluation.metrics import mean_with_interval
from ncf.serving.bundle import Bundle

AS_OF = "ncf.as_of"
DATA_REPORT = "data_report.md"
SERIES = "backtest"
USERS = f"{SERIES}/users"


@dataclass(frozen=True)
class Trained:
    """The model of one moment.

    Attributes:
        judged_run: MLflow run of the model that has learned from train alone, which a gate compares.
        served_run: of the model that serves.
        seconds: of the training of all models that it needs.
    """

    judged_run: str
    served_run: str
    seconds: float


@task("train as of", "train as of {day}")
def train_as_of(
    tracker: Tracker, parent_id: str, settings: BacktestSettings, replay: Replay, moment: int, day: str
) -> Trained:
    """Train on the log as it was at a moment, in a nested run.

    Args:
        tracker: of the data set.
        parent_id: MLflow run of the backtest.
        settings: of the backtest.
        replay: the log.
        moment: microseconds since the epoch; the training sees what was before.
        day: the moment as text.
    """
    data = replay.before(moment)
    key = content_key(settings.learned(), data.fingerprint, __version__)
    earlier = _earlier(tracker, parent_id, key, anywhere=not settings.force)
    if earlier is not None and COMPLETE in earlier.data.tags:
        get_run_logger().info("the model as of %s is already trained, in MLflow run %s", day, earlier.info.run_id)
        return _trained(tracker, settings, earlier)
    get_run_logger().info("training as of %s on %s interactions", day, f"{len(data.train):,}")
    with _open(tracker, parent_id, settings, data, (key, day), earlier) as run_id:
        at_moment = settings.at(replay.config_at(moment))
        models = _train(tracker, run_id, at_moment, settings.trained(), data)
        if settings.refit:
            models.append(refit_model(tracker, at_moment, models[-1], models, data))
        tracker.log_metrics(run_id, {SECONDS: sum(model.metrics[SECONDS] for model in models)})
        tracker.finish(run_id)
    return _trained(tracker, settings, tracker.client.get_run(run_id))


def day_of(moment: int) -> str:
    """A moment as text: its day, and the time unless it is midnight (UTC)."""
    time = time_of(moment)
    return f"{time:%Y-%m-%d}" if moment % 86_400_000_000 == 0 else f"{time:%Y-%m-%d %H:%M:%S}"


def _earlier(tracker: Tracker, parent_id: str, key: str, *, anywhere: bool) -> Run | None:
    """The finished training of this key in any backtest, if `anywhere`; else the interrupted one of this backtest."""
    newest = tracker.newest_run(key) if anywhere else None
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
    """Continue the interrupted nested run of a moment, or start one."""
    key, day = named
    if earlier is None:
        tags = {KEY: key, FINGERPRINT: data.fingerprint, AS_OF: day}
        run_id = tracker.start_nested(parent_id, f"as of {day}", flatten(settings.learned()), tags)
        tracker.log_data(run_id, data)
        tracker.files.log_text(run_id, data.report.markdown(), DATA_REPORT)
    else:
        run_id = str(earlier.info.run_id)
        tracker.resume(run_id)
    with tracker.interrupted_on_error(run_id):
        yield run_id


def _train(
    tracker: Tracker, run_id: str, settings: RetrainSettings, names: Sequence[str], data: PreparedData
) -> list[ModelRun]:
    """Train these models as a retraining does."""
    done: dict[str, ModelRun] = {}
    for name in names:
        pretrained = (done[GMF_NAME], done[MLP_NAME]) if name == PRETRAINED else None
        done[name] = train_model(tracker, run_id, name, settings, data, pretrained=pretrained)
    return list(done.values())


def _trained(tracker: Tracker, settings: BacktestSettings, moment: Run) -> Trained:
    model = tracker.find_model(str(moment.info.run_id), settings.model)
    if model is None:
        raise TrackingError(
            f"the MLflow run {moment.info.run_id} is complete, but its model {settings.model} is missing",
            do="restore it, or train again with --force",
        )
    refitted = tracker.find_model(model.run_id, REFIT)
    return Trained(model.run_id, (refitted or model).run_id, moment.data.metrics[SECONDS])


class Windows:
    """Scores one window after the other; only the models that serve in the present window are in memory.

    Args:
        tracker: of the data set.
        run_id: MLflow run of the backtest.
        replay: the log.
        plan: the windows and policies; it learns which models pass the gates.
        memory_mb: MB for the scores of one block of users.
    """

    def __init__(self, tracker: Tracker, run_id: str, replay: Replay, plan: Plan, memory_mb: int) -> None:
        self.tracker, self.run_id, self.replay, self.plan, self.memory_mb = tracker, run_id, replay, plan, memory_mb
        self._bundles: dict[int, Bundle] = {}
        self._gates: dict[str, Gate] = {}
        self._finished = tracker.series(run_id, [USERS]).get(USERS, {})

    def score(self, window: Window, trained: Mapping[int, Trained]) -> pd.DataFrame:
        """The values of each user of a window, with user ids as text: see `ncf.backtest.scoring.score_window`.

        Args:
            window: the window; the gates have decided on the models that serve in it.
            trained: the models of all moments up to its beginning.
        """
        if window.number in self._finished:
            return self.tracker.files.read_table(self.run_id, _file(window), text=[USER_ID])
        serving = {policy.name: self.plan.moment(policy, window) for policy in self.plan.policies}
        self._bundles = {
            moment: self._bundles.get(moment) or load_bundle(self.tracker, trained[moment].served_run)
            for moment in set(serving.values())
        }
        frame = score_users(self.replay.window_data(window), serving, self._bundles, self.memory_mb)
        frame = frame.assign(**{USER_ID: frame[USER_ID].map(str)})
        self._log(window, frame)
        return frame

    def judge(self, window: Window, trained: Mapping[int, Trained]) -> None:
        """Let the gates decide on what was trained since the window before.

        Args:
            window: the window.
            trained: the models of all moments up to its beginning.
        """
        data: dict[int, PreparedData] = {}
        for policy in self.plan.policies:
            if policy.rule is None:
                continue
            gate = self._gates.setdefault(
                policy.name, Gate(policy.rule, lambda moment: load_bundle(self.tracker, trained[moment].judged_run))
            )
            due = self.plan.due(policy, window)
            if due not in gate.moments:
                data[due] = data.get(due) or self.replay.before(due)
                gate.judge(due, data[due], self.memory_mb)
        self.plan = replace(self.plan, promoted={name: gate.promoted for name, gate in self._gates.items()})

    def _log(self, window: Window, frame: pd.DataFrame) -> None:
        """The table comes first: a window with metrics counts as finished."""
        self.tracker.files.log_table(self.run_id, frame, _file(window))
        time = time_of(window.begin)
        self.tracker.log_metrics(self.run_id, metrics_of(frame), step=window.number, time=time)
        self.tracker.log_metrics(self.run_id, {USERS: float(len(frame))}, step=window.number, time=time)


@task("score window", "score the window from {day}")
def score_window(windows: Windows, window: Window, trained: Mapping[int, Trained], day: str) -> pd.DataFrame:
    """Let the gates decide, and score one window; Prefect shows its first day."""
    windows.judge(window, trained)
    return windows.score(window, trained)


def metrics_of(frame: pd.DataFrame) -> dict[str, float]:
    """The means of a window, for MLflow's series; `_ci95` is half the interval, which takes two users or more."""
    figures = {f"{SERIES}/interactions": float(frame[INTERACTIONS].sum())}
    for who, metric in metric_columns(frame) if len(frame) else ():
        mean = mean_with_interval(frame[column(who, metric)].to_numpy())
        if metric == KNOWN:
            figures[f"{SERIES}/{who}/known_users"] = mean.value
            continue
        figures[key_of(who, metric)] = mean.value
        if np.isfinite(mean.half_width):
            figures[f"{key_of(who, metric)}_ci95"] = mean.half_width
    return figures


def key_of(who: str, metric: str) -> str:
    """MLflow's key of a policy's metric."""
    return f"{SERIES}/{who}/full/{metric}"


def _file(window: Window) -> str:
    return f"windows/{day_of(window.begin).replace(' ', 'T').replace(':', '')}.csv"
