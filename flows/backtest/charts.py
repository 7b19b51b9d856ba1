"""What the pictures of a backtest show, as plain values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from ncf.backtest.plan import Plan, Window
from ncf.backtest.scoring import HR, KNOWN, NDCG, POPULARITY, column, difference_of
from ncf.data.times import time_of
from ncf.evaluation.metrics import Mean, Values, mean_with_interval

SO_FAR = "mean over the windows so far, with its 95 % interval"
TITLES = {NDCG: "NDCG@10", HR: "HR@10", KNOWN: "share of the users that the model knows"}


@dataclass(frozen=True)
class Curves:
    """The windows' figures by policy.

    Attributes:
        title: stands above.
        days: the beginning of each window, UTC.
        users: in each window.
        means: by metric and policy, float64[windows].
        halves: half the 95 % intervals, of the same; NaN where there is none.
        new: by policy, whether a window's model is newer than that of the window before: bool.
        reference: the policy that the gains are over, the one that trains most rarely.
        gains: NDCG@10 more than the reference's, of the others: mean over the windows so far, paired.
    """

    title: str
    days: Sequence[datetime]
    users: Sequence[int]
    means: Mapping[str, Mapping[str, Values]]
    halves: Mapping[str, Mapping[str, Values]]
    new: Mapping[str, Sequence[bool]]
    reference: str
    gains: Mapping[str, Sequence[Mean]]

    @property
    def names(self) -> list[str]:
        """Popularity, then the policies."""
        return [POPULARITY, *self.new]


def curves_of(title: str, plan: Plan, windows: Sequence[tuple[Window, pd.DataFrame]]) -> Curves:
    """From the tables of the windows in which anything came."""
    names = [POPULARITY, *(policy.name for policy in plan.policies)]
    means = {
        metric: {
            name: [mean_with_interval(frame[column(name, metric)].to_numpy()) for _, frame in windows]
            for name in (names if metric != KNOWN else names[1:])
        }
        for metric in TITLES
    }
    new = {
        policy.name: [
            window.number == 1 or plan.moment(policy, window) > window.begin - (window.end - window.begin)
            for window, _ in windows
        ]
        for policy in plan.policies
    }

    def of_all(value: Callable[[Mean], float]) -> dict[str, dict[str, Values]]:
        return {
            metric: {name: np.array([value(mean) for mean in its]) for name, its in by.items()}
            for metric, by in means.items()
        }

    return Curves(
        title=title,
        days=[time_of(window.begin) for window, _ in windows],
        users=[len(frame) for _, frame in windows],
        means=of_all(lambda mean: mean.value),
        halves=of_all(lambda mean: mean.half_width if np.isfinite(mean.half_width) else np.nan),
        new=new,
        reference=names[-1],
        gains={name: _gains([frame for _, frame in windows], name, names[-1]) for name in names[:-1]},
    )


def _gains(frames: Sequence[pd.DataFrame], ours: str, theirs: str) -> list[Mean]:
    return [difference_of(frames[:number], ours, theirs, NDCG) for number in range(1, len(frames) + 1)]
