"""Score all policies in one window, user by user, and average over windows; and the gate of a policy."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch

from ncf.backtest.plan import Rule
from ncf.backtest.replay import WindowData
from ncf.data import USER_ID, Ids
from ncf.data.prepared import PreparedData
from ncf.data.times import time_of
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.comparison import PROMOTION_METRIC, holdout_sketch, likeness
from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import ANCHOR_LOW, CandidateMetrics, Reign, anchor_of, window_start
from ncf.evaluation.metrics import Mean, Values, difference_interval, interval
from ncf.evaluation.multi_item_ranking import hits_of_users, ndcg_of_users, rank_held_out
from ncf.evaluation.promotion import Anchor, Decision, decide
from ncf.evaluation.ranking import CUTOFF, SCORING_MEMORY_MB, HoldoutRanker, Scorer
from ncf.serving.bundle import Bundle
from ncf.serving.users import ServedScorer

POPULARITY = "popularity"
HR, NDCG, KNOWN = "hr_at_10", "ndcg_at_10", "known"
INTERACTIONS = "interactions"
Interval: TypeAlias = Callable[[Values, float, float, int], Mean]


def column(who: str, metric: str) -> str:
    """Name of the column with the values of a policy or popularity."""
    return f"{who}/{metric}"


def score_window(
    window: WindowData, serving: Mapping[str, int], bundles: Mapping[int, Bundle], memory_mb: int = SCORING_MEMORY_MB
) -> pd.DataFrame:
    """Score all policies on the same users; a model that several policies share is scored once.

    Users whom a model does not know are folded in from what was known of them, and items that it does not know come
    last, as it would serve them. Items that a user had before the window do not compete under any policy.

    Args:
        window: what was known, and what happened.
        serving: policy's name -> moment of the model that serves.
        bundles: the models, by moment.
        memory_mb: memory for the scores of one block of users, in MB.

    Returns:
        One row per user of the window: user_id, interactions (in the window), and under `column(...)` for popularity
        (counted over all that was known) and each policy: hr_at_10 (1.0 if any of the items is among the first ten),
        ndcg_at_10, and known (1.0 if the model has learned of the user). No row if nothing happened.
    """
    users, counts = np.unique(window.new_pairs.users, return_counts=True)
    values = {POPULARITY: _values(Popularity(window.data), window, memory_mb) | {KNOWN: np.ones(len(users))}}
    for moment in sorted(set(serving.values())):
        scorer = ServedScorer(bundles[moment], window.data)
        known = (scorer.users.vectors[torch.as_tensor(users)] >= 0).numpy().astype(np.float64)
        shared = _values(scorer, window, memory_mb) | {KNOWN: known}
        values |= {name: shared for name, its in serving.items() if its == moment}
    figures = {
        column(who, metric): values[who][metric] for who in (POPULARITY, *serving) for metric in (HR, NDCG, KNOWN)
    }
    return pd.DataFrame({USER_ID: window.data.user_ids[users], INTERACTIONS: counts, **figures})


def metric_columns(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The policy (or popularity) and the metric of each column of values."""
    for name in frame.columns:
        who, slash, metric = str(name).rpartition("/")
        if slash:
            yield who, metric


def _values(scorer: Scorer, window: WindowData, memory_mb: int) -> dict[str, Values]:
    ranks = rank_held_out(scorer, window.data, window.new_pairs, memory_mb=memory_mb)
    users = window.new_pairs.users
    return {HR: hits_of_users(ranks, users, CUTOFF), NDCG: ndcg_of_users(ranks, users, CUTOFF)}


def mean_over_windows(values: Sequence[Values], users: Sequence[Ids], interval: Interval = interval) -> Mean:
    """Mean of the windows' means, each with the same weight, and its 95 % interval over users.

    A user in several windows is one unit: the standard error is that of the sum of each user's contributions
    (cluster-robust). With a single window it is that of the mean over its users. A single user gives an infinite
    interval.

    Args:
        values: float64[U_w] of each window, none of them empty.
        users: the ids of the same users.
        interval: `interval` or `difference_interval` of ncf.evaluation.metrics.
    """
    means = [float(one.mean()) for one in values]
    shares = [(one - mean) / (len(one) * len(values)) for one, mean in zip(values, means, strict=True)]
    codes, unique = pd.factorize(np.concatenate(list(users)))
    of_users = np.bincount(codes, weights=np.concatenate(shares))
    error = math.sqrt(float(of_users @ of_users))
    return interval(np.concatenate(values), float(np.mean(means)), error, len(unique))


def mean_of(windows: Sequence[pd.DataFrame], who: str, metric: str) -> Mean:
    """One policy's figure over all windows, the tables of `score_window`."""
    return mean_over_windows([frame[column(who, metric)].to_numpy() for frame in windows], _users(windows))


def difference_of(windows: Sequence[pd.DataFrame], ours: str, theirs: str, metric: str) -> Mean:
    """How much better one policy is than another, paired over the users of every window."""
    values = [(frame[column(ours, metric)] - frame[column(theirs, metric)]).to_numpy() for frame in windows]
    return mean_over_windows(values, _users(windows), difference_interval)


def _users(windows: Sequence[pd.DataFrame]) -> list[Ids]:
    return [frame[USER_ID].to_numpy() for frame in windows]


@dataclass
class Gate:
    """Promotes as a retraining does, with the settings' defaults.

    Attributes:
        rule: what a challenger on newer data needs.
        load: the model of a moment.
        moments: of the trainings so far; the first model serves without a comparison.
        reigns: the champions so far; a version is a position among the moments.
    """

    rule: Rule
    load: Callable[[int], Bundle]
    moments: list[int] = field(default_factory=list)
    reigns: list[Reign] = field(default_factory=list)
    _sketches: list[str] = field(default_factory=list)

    def judge(self, moment: int, data: PreparedData, memory_mb: int = SCORING_MEMORY_MB) -> Decision | None:
        """Compare the model of a moment with the champion, on the test holdout of its own data.

        Args:
            moment: microseconds since the epoch.
            data: what was prepared then.
            memory_mb: memory for the scores of one block of users, in MB.

        Returns:
            The decision; None for the first model.
        """
        version, now = len(self.moments), time_of(moment)
        self.moments.append(moment)
        if not self.reigns:
            self.reigns.append(Reign(version, now, False))
            return None
        ranker = HoldoutRanker(data, "test", memory_mb=memory_mb)

        def values(number: int) -> Values:
            return ranker.rank_all(ServedScorer(self.load(self.moments[number]), data)).values()[PROMOTION_METRIC]

        config, champion, sketch = PromotionConfig(newer_data=self.rule), self.reigns[-1].version, holdout_sketch(data)
        anchor = anchor_of(self.reigns, window_start(now, config.anchor_days))
        of_champion = values(champion)
        decision = decide(
            CandidateMetrics(values(version)),
            ranker.rank_all(Popularity(data)).values()[PROMOTION_METRIC],
            CandidateMetrics(of_champion),
            config,
            earlier=sum(likeness(sketch, other) for other in self._sketches),
            newer=True,
            anchor=None if anchor is None else Anchor(anchor, of_champion if anchor == champion else values(anchor)),
        )
        self._sketches.append(sketch)
        if decision.promote:
            self.reigns.append(Reign(version, now, decision.figures.get(ANCHOR_LOW, 0.0) > 0))
        return decision

    @property
    def promoted(self) -> tuple[int, ...]:
        """The moments whose models became champion."""
        return tuple(self.moments[reign.version] for reign in self.reigns)
