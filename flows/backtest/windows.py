"""Tasks: judge the policies in one window. A finished window is read back, not judged again."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from flows.backtest.moments import Trained, day_of
from flows.orchestration.tasks import task
from flows.retrain.train import load_bundle
from flows.tracking.tracking import Tracker
from ncf.backtest.plan import Plan, Window
from ncf.backtest.replay import Replay
from ncf.backtest.scoring import INTERACTIONS, KNOWN, column, metric_columns, score_window
from ncf.data.columns import USER_ID
from ncf.data.times import time_of
from ncf.evaluation.metrics import mean_with_interval
from ncf.serving.bundle import Bundle

SERIES = "backtest"
USERS = f"{SERIES}/users"


class Windows:
    """Judges one window after the other, and holds no more models than serve at once.

    Args:
        tracker: where the backtest is kept.
        run_id: its MLflow run.
        replay: the log.
        plan: the windows and policies.
        memory_mb: MB that the scores of one block of users may take.
    """

    def __init__(self, tracker: Tracker, run_id: str, replay: Replay, plan: Plan, memory_mb: int) -> None:
        self.tracker, self.run_id, self.replay, self.plan, self.memory_mb = tracker, run_id, replay, plan, memory_mb
        self._bundles: dict[int, Bundle] = {}
        self._finished = tracker.series(run_id, [USERS]).get(USERS, {})

    def judged(self, window: Window, trained: Mapping[int, Trained]) -> pd.DataFrame:
        """The values of each user of a window: see `ncf.backtest.scoring.score_window`; user ids as text.

        Args:
            window: which.
            trained: the models of all moments up to its beginning.
        """
        if window.number in self._finished:
            return self.tracker.artifacts.read_table(self.run_id, _file(window), text=[USER_ID])
        serving = {policy.name: self.plan.moment(policy, window) for policy in self.plan.policies}
        self._bundles = {
            moment: self._bundles.get(moment) or load_bundle(self.tracker, trained[moment].model_run)
            for moment in set(serving.values())
        }
        frame = score_window(self.replay.window_data(window), serving, self._bundles, self.memory_mb)
        frame = frame.assign(**{USER_ID: frame[USER_ID].map(str)})
        self._keep(window, frame)
        return frame

    def _keep(self, window: Window, frame: pd.DataFrame) -> None:
        """The table first: a window counts as finished when its figures are there."""
        self.tracker.artifacts.log_table(self.run_id, frame, _file(window))
        time = time_of(window.begin)
        self.tracker.log_metrics(self.run_id, figures_of(frame), step=window.number, time=time)
        self.tracker.log_metrics(self.run_id, {USERS: float(len(frame))}, step=window.number, time=time)


@task("judge window", "judge the window from {day}")
def judge_window(windows: Windows, window: Window, trained: Mapping[int, Trained], day: str) -> pd.DataFrame:
    """One window, whose first day is said for the Prefect UI."""
    return windows.judged(window, trained)


def figures_of(frame: pd.DataFrame) -> dict[str, float]:
    """The means of a window, for MLflow's series; `_ci95` is half the interval, where there are two users or more."""
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
