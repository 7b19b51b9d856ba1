"""Does the challenger become the champion? Settings, and a pure decision with its figures and reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from ncf.data import Indices
from ncf.evaluation.comparison import paired_difference, signed, widening_after
from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import ANCHOR_LOW, CandidateMetrics, guard_checks
from ncf.evaluation.metrics import Mean, Values

Figures: TypeAlias = Mapping[str, float]

LEAST_MARGIN, MARGIN_SHARE = 0.002, 0.02  # of NDCG@10; of the champion's
ANCHOR_MARGINS = 1.25  # margins that may be lost against the anchor (docs/decisions/margin.md)


@dataclass(frozen=True)
class Anchor:
    """The best champion of the last days: see ncf/evaluation/guards.py.

    Attributes:
        version: its number.
        ndcg: its NDCG@10 as it would serve these users, float64[U]; None if it can't be read any more.
    """

    version: int
    ndcg: Values | None


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes the champion.

    Attributes:
        promote: the decision.
        reason: for a reader who knows no statistics.
        figures: what it is based on: "challenger", "champion" and "popularity" (NDCG@10), "gain", "low" and "high" (its
            interval, if it is finite), "earlier" (challengers that widened it), "users", "margin" (on newer data),
            "anchor" (its version), "anchor_low" (lower end of the gain over it), "loss_used" (share of the loss allowed
            against it), and those of the guards.
    """

    promote: bool
    reason: str
    figures: Figures = field(default_factory=lambda: MappingProxyType({}))


def decide(
    challenger: CandidateMetrics,
    popularity: Values,
    champion: CandidateMetrics | None,
    config: PromotionConfig = PromotionConfig(),  # noqa: B008 (frozen)
    *,
    interactions: Indices | None = None,
    earlier: float = 0.0,
    newer: bool = False,
    anchor: Anchor | None = None,
) -> Decision:
    """Promote a challenger that is surely better than the champion, or on newer data and not worse by the margin.

    One that is not better than popularity is never promoted.

    Args:
        challenger: the new model.
        popularity: NDCG@10 of the popularity baseline, float64[U], the same users in the same order.
        champion: the present champion as it would serve these users, or None if there is none.
        config: how sure is sure, how much is a tie, and the guards.
        interactions: int64[U], train interactions of each user; needed for the guard of users with few.
        earlier: number of earlier challengers on this holdout, each weighted by how much of it was the same; they widen
            the interval, if `config.count_challengers`.
        newer: whether the challenger's data are newer than the champion's.
        anchor: the best champion of the last days, which limits the losses on newer data.

    Raises:
        ConfigError: a guard is on, and its metric was not measured.
    """
    users = len(popularity)
    figures = {"challenger": _mean(challenger.ndcg), "popularity": _mean(popularity), "users": float(users)}
    doubt = _below_popularity(challenger, popularity, champion is None and config.first == "surely")
    praise = ""
    if champion is None:
        praise = "there was none, and it beats popularity: " + _beside(challenger.ndcg, popularity)
    elif not doubt:
        counted = earlier if config.count_challengers else 0.0
        gain = gain_over(challenger.ndcg, champion.ndcg, config, counted)
        figures |= {"champion": _mean(champion.ndcg), "gain": gain.value, "earlier": counted}
        if np.isfinite(gain.low):  # JSON has no infinity
            figures |= {"low": gain.low, "high": gain.high}
        slid, used = _against_anchor(challenger.ndcg, anchor, counted, figures, config)
        doubt, praise = _explain(gain, figures, config)
        if newer and config.newer_data == "wins ties":
            doubt, praise = _not_worse(challenger.ndcg, champion.ndcg, "" if doubt else praise, figures, config)
            doubt, praise = doubt or slid, praise + used
    checks = [] if doubt else list(guard_checks(challenger, champion, config.guards, interactions))
    figures |= {check.name: check.value for check in checks}
    failures = [check.failure for check in checks if check.failed]
    few = few_users(users, config)
    if doubt or failures:
        return Decision(False, f"kept back: {doubt or f'{praise}; but {failures[0]}'}{few}", figures)
    return Decision(True, praise + few, figures)


def few_users(users: int, config: PromotionConfig) -> str:
    """A clause that a holdout decides little; empty if it has enough users."""
    if users >= config.minimum_users:
        return ""
    who = f"{users:,} user{'s' * (users > 1)}"
    return f"; only {who} decided, and fewer than {config.minimum_users} (promotion.minimum_users) tell little"


def _beside(ours: Values, theirs: Values) -> str:
    """Two means of NDCG@10 and their difference."""
    return (
        f"NDCG@10 {_mean(ours):.4f} against {_mean(theirs):.4f} (difference {signed(paired_difference(ours, theirs))})"
    )


def _below_popularity(challenger: CandidateMetrics, popularity: Values, surely: bool) -> str:
    """Why a challenger is not good enough beside popularity; empty if it is."""
    difference, beside = paired_difference(challenger.ndcg, popularity), _beside(challenger.ndcg, popularity)
    if difference.value <= 0:
        return f"not better than popularity: {beside}"
    if surely and difference.low <= 0:
        return (
            f"better than popularity on average, but not surely: {beside}; to let it serve all the same, set "
            "promotion.first to average"
        )
    return ""


def gain_over(ours: Values, theirs: Values, config: PromotionConfig, earlier: float = 0.0) -> Mean:
    """Mean over the same users of ours - theirs, with an interval for the users and seeds that it might have been.

    The distances of the ends of `paired_difference` from the mean are multiplied by `config.seed_widening`, and by
    `widening_after` the earlier challengers. A single user gives an infinite interval.

    Args:
        ours: float64[U], one value per user.
        theirs: float64[U], the same users in the same order.
        config: confidence and widening.
        earlier: number of earlier challengers on the same holdout.
    """
    plain = paired_difference(ours, theirs, config.confidence)
    wider = config.seed_widening * widening_after(earlier, config.confidence)
    return Mean(plain.value, *(plain.value + wider * (end - plain.value) for end in (plain.low, plain.high)))


def effective_margin(ours: Values, theirs: Values, config: PromotionConfig) -> tuple[float, bool]:
    """NDCG@10 that a challenger on newer data may lose, and whether the holdout's size sets it.

    It is never less than 1.75 standard errors of the difference, seeds included: so an equal model is within it in 96 %
    of nights, and one that is worse by twice as much in 4 %, whatever the holdout.

    Args:
        ours: float64[U], one value per user.
        theirs: float64[U], the same users in the same order.
        config: margin and widening.
    """
    asked = max(LEAST_MARGIN, MARGIN_SHARE * _mean(theirs)) if config.margin is None else config.margin
    told = config.seed_widening * paired_difference(ours, theirs, confidence=0.92).half_width
    return max(asked, told), told > asked


def _not_worse(
    ours: Values, theirs: Values, praise: str, figures: dict[str, float], config: PromotionConfig
) -> tuple[str, str]:
    """Why a challenger on newer data is too much worse than the champion, or an empty text; and what speaks for it.

    Args:
        ours: the challenger's NDCG@10, float64[U].
        theirs: the champion's.
        praise: what speaks for one that is surely better; empty if it is not.
        figures: gets the margin.
        config: of the promotion.
    """
    margin, by_users = effective_margin(ours, theirs, config)
    words = f"the margin {margin:.4f}" if np.isfinite(margin) else "any margin"
    words += f", the least that {len(ours):,} user{'s' * (len(ours) > 1)} can tell" if by_users else ""
    figures |= {"margin": margin} if np.isfinite(margin) else {}
    if (loss := -figures["gain"]) >= margin:
        return f"on newer data, but worse than the champion by {loss:.4f}, which is not within {words}", ""
    kept = f"on newer data and not worse than the champion: {_beside(ours, theirs)}, within {words}"
    return "", f"on newer data and {praise}" if praise else kept


def _against_anchor(
    ours: Values, anchor: Anchor | None, earlier: float, figures: dict[str, float], config: PromotionConfig
) -> tuple[str, str]:
    """Why a challenger on newer data has slid too far, or an empty text; and how much of the loss allowed it uses."""
    if anchor is None:
        return "", ""
    name = f"version {anchor.version}, the best champion of the last {config.anchor_days} days"
    if anchor.ndcg is None:
        return "", f"; {name}, can't be read, so it was not compared with that"
    allowed = ANCHOR_MARGINS * effective_margin(ours, anchor.ndcg, config)[0]
    gain = gain_over(ours, anchor.ndcg, config, earlier)
    figures |= {"anchor": float(anchor.version)}
    if not np.isfinite(allowed):
        return "", ""
    used = max(0.0, -gain.value / allowed) if allowed else 0.0
    figures |= {ANCHOR_LOW: gain.low, "loss_used": used}
    if -gain.value > allowed:
        return f"worse than {name}, by {-gain.value:.4f}, and {allowed:.4f} is allowed", ""
    return "", f"; uses {used:.0%} of the loss allowed against {name}"


def _explain(gain: Mean, figures: Figures, config: PromotionConfig) -> tuple[str, str]:
    """Why the gain does not suffice, or an empty text; and the gain in words."""
    interval = f"{100 * config.confidence:g} % interval {gain.low:+.4f} to {gain.high:+.4f}"
    if number := round(figures["earlier"]):
        interval += f", wider for {number} earlier challenger{'s' * (number > 1)} on this test holdout"
    better = f"better than the champion by {gain.value:.4f}"
    praise = f"{better}: NDCG@10 {figures['challenger']:.4f} against {figures['champion']:.4f}, {interval}"
    doubt = ""
    if gain.value < 0:
        doubt = f"worse than the champion by {-gain.value:.4f}: {interval}"
    elif gain.value == 0:
        doubt = f"no better than the champion: difference {gain.value:+.4f}, {interval}"
    elif gain.low <= 0:
        doubt = f"{better}, but that may be chance: {interval}"
    elif gain.low <= config.minimum_gain:
        doubt = f"{better}, but not surely by more than the minimum gain {config.minimum_gain:.4f}: {interval}"
    return doubt, praise


def _mean(values: Values) -> float:
    return float(values.mean())
