"""The gate of a policy: of the models trained when they are due, which one would have been promoted?"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ncf.backtest.plan import Rule
from ncf.data.prepared import PreparedData
from ncf.data.times import time_of
from ncf.evaluation.anchor import ANCHOR_LOW, Reign, anchor_of, window_start
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.comparison import PROMOTION_METRIC, holdout_sketch, likeness
from ncf.evaluation.guards import CandidateMetrics
from ncf.evaluation.metrics import Values
from ncf.evaluation.promotion import Anchor, Decision, PromotionConfig, decide
from ncf.evaluation.ranking import SCORING_MEMORY_MB, HoldoutRanker
from ncf.serving.bundle import Bundle
from ncf.serving.users import ServedScorer


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
